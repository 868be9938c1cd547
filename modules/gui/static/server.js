// Talking to the server: requests that answer with JSON, and the stream of events.

/** Raised with the server's own sentence. */
export class Refused extends Error {
  constructor(message, hint = "") {
    super(message);
    this.hint = hint;
  }
}

export function ask(path, body) {
  if (body === undefined) return answered(path, {});
  return answered(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** Sends a file's bytes as they are. */
export function upload(path, file) {
  return answered(path, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file });
}

async function answered(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused("The server does not answer.", "Your settings are kept; it is being tried again.");
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(answer?.message ?? `The server answered ${response.status}.`, answer?.hint ?? "");
  return answer;
}

const KINDS = ["snapshot", "engine", "job", "progress", "preview", "picture", "problem", "library", "indexing", "models", "inspected", "download"];
const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
const FALL_ASLEEP = 60_000;

/**
 * Listens for ever, connecting again with growing pauses. `onEvent(kind, data)`, `onState(connected)`.
 *
 * Browsers open six connections to a server at most, over all tabs: one that is not looked at, while `idle()`, lets go
 * of its own, lest a seventh never load.
 */
export function listen(onEvent, onState, idle) {
  let source = null;
  let wait = FIRST_WAIT;
  let timer = null;

  const open = () => {
    clearTimeout(timer);
    source?.close();
    source = new EventSource("/api/events");
    for (const kind of KINDS) source.addEventListener(kind, (event) => onEvent(kind, JSON.parse(event.data)));
    source.addEventListener("snapshot", () => {
      wait = FIRST_WAIT;
      onState(true);
    });
    source.onerror = () => {
      source.close();
      onState(false);
      timer = setTimeout(open, wait);
      wait = Math.min(LONGEST_WAIT, wait * 2);
    };
  };

  const wake = () => {
    if (document.hidden || source.readyState !== EventSource.CLOSED) return;
    onState(false);
    open();
  };

  open();
  window.addEventListener("online", open);
  document.addEventListener("visibilitychange", wake);
  setInterval(() => document.hidden && idle() && source.close(), FALL_ASLEEP);
}
