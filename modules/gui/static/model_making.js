// New model files in the making: how far one is, on the Models tab, and what is done with it when it is there.
import { el, iconButton, setText } from "./element.js";
import { say } from "./message.js";
import { use } from "./model_use.js";
import { ask } from "./server.js";
import { shelf } from "./shelf.js";
import { store } from "./store.js";
import { form, refill } from "./values.js";

const OVER = ["finished", "stopped", "failed", "interrupted", "cancelled"];
const PAUSE = 300;
const PATIENCE = 40; // times 250 milliseconds until the choice of checkpoints was filled anew
const awaited = new Map(); // what becomes of the jobs of this page, by their ids

/** `made`: {id, kind, name, folder, format} of the file to be; `load`: it is loaded as soon as it is there. */
export function follow(job, made, load) {
  awaited.set(job.id, { made, load });
}

/** A line on the Models tab while a file is being made. */
export function makingLine() {
  const words = el("span");
  let job = null;
  const act = () => ask(`/api/jobs/${encodeURIComponent(job.id)}/${job.state === "waiting" ? "cancel" : "stop"}`, {}).catch((refused) => say("models", refused.message, refused.hint));
  const line = el("p", { class: "get-line making-line", role: "status", hidden: true }, words, iconButton("close", "Cancel", act));
  store.watch(["jobs", "progress"], () => {
    const going = store.list.filter((one) => one.work && !OVER.includes(one.state)).reverse();
    job = going.find(({ state }) => state === "running") ?? going[0] ?? null;
    line.hidden = !job;
    if (job) setText(words, [job.work, far(job), going.length > 1 && `${going.length - 1} more`].filter(Boolean).join(" · "));
  });
  return line;
}

function far(job) {
  if (job.state === "waiting") return "waits for its turn";
  const progress = store.progress?.job === job.id ? store.progress : null;
  if (!progress) return "reading…";
  const left = progress.seconds_left;
  return [`${Math.floor(progress.fraction * 100)}%`, left > 1 && `${Math.ceil(left)} s left`].filter(Boolean).join(" · ");
}

store.watch(["jobs"], () => {
  for (const [id, { made, load }] of awaited) {
    const job = store.jobs.get(id);
    if (!job || !OVER.includes(job.state)) continue;
    awaited.delete(id);
    if (job.state === "finished") arrived(made, load);
    else if (job.state !== "failed") say("models", `${made.name} is not made.`, "", "note");
  }
});

async function arrived(made, load) {
  say("models", `${made.name} is there.`, "", "note");
  if (shelf.shown && shelf.kind === made.kind) {
    await shelf.refresh();
    if (shelf.record(made.id)) shelf.choose(made.id);
  }
  if (!load) return;
  try {
    await offered();
    say("models", await use(made), "", "note");
  } catch (refused) {
    say("models", refused.message, refused.hint ?? "");
  }
}

/** Until the choice of checkpoints was asked for anew: its old list may have the pickle by the name of the new file. */
async function offered() {
  const { choices } = form("txt2img");
  const before = choices.checkpoint;
  refill();
  for (let times = 0; times < PATIENCE && choices.checkpoint === before; times += 1) {
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

let timer = null;
store.addEventListener("models", ({ detail }) => {
  if (detail.id) return;
  clearTimeout(timer);
  timer = setTimeout(refill, PAUSE);
});
