// The sentence near the Generate button: what is wrong, or what was done.
import { el, shownTab } from "./element.js";
import { store } from "./store.js";

const NOTE_SECONDS = 6;

class Message extends HTMLElement {
  connectedCallback() {
    if (this.line) return;
    this.line = el("p", { class: "message", role: "alert", id: `${this.getAttribute("tab")}_message`, dir: "auto" });
    this.append(this.line);
  }

  say(message, hint = "", kind = "error") {
    clearTimeout(this.timer);
    this.line.className = `message message-${kind}`;
    this.line.replaceChildren(...(message ? [el("strong", {}, message), hint && ` ${hint}`].filter(Boolean) : []));
    if (message && kind === "note") this.timer = setTimeout(() => this.say(""), NOTE_SECONDS * 1000);
  }
}

customElements.define("easel-message", Message);

/** Says a sentence on a tab. `kind`: "error" stays until the next action, "note" goes by itself. */
export function say(tab, message, hint = "", kind = "error") {
  document.querySelector(`easel-message[tab="${CSS.escape(tab)}"]`)?.say(message, hint, kind);
}

/** The server's answer to Generate or Save. A queued job may have failed and said so before this arrives. */
export function answered(tab, answer) {
  const { message = "", hint = "", note = "" } = JSON.parse(answer || "{}");
  if (note) say(tab, note, "", "note");
  else if (message) say(tab, message, hint);
}

/** Runs something that may be refused, and says why. */
export async function attempt(work, tab = shownTab()) {
  try {
    return await work();
  } catch (refused) {
    say(tab, refused.message, refused.hint);
    return null;
  }
}

store.addEventListener("failed", ({ detail: job }) => say(job.tab, job.message, job.hint));
