// The Generate button: says how many jobs wait, and never loses a click while the server is away.
import { mounted } from "./element.js";
import { say } from "./message.js";
import { store } from "./store.js";

export const generated = new EventTarget();
const preparations = new Map();

/** Has `prepare` finish before a tab's job is queued; what it raises is said instead. */
export function beforeGenerate(tab, prepare) {
  preparations.set(tab, prepare);
}

async function prepare(message) {
  const tab = message.getAttribute("tab");
  const button = await mounted(`#${tab}_generate`);
  let prepared = false;
  button.addEventListener(
    "click",
    (event) => {
      if (store.connected === false) {
        // Gradio would show its own dialogue and reload the page
        event.stopImmediatePropagation();
        say(tab, "The server does not answer.", "Your settings are kept; press Generate again when it is back.");
        return;
      }
      if (preparations.has(tab) && !prepared) {
        event.stopImmediatePropagation();
        const go = () => {
          prepared = true;
          button.click();
        };
        preparations.get(tab)().then(go, (refused) => say(tab, refused.message, refused.hint));
        return;
      }
      prepared = false;
      say(tab, "");
      generated.dispatchEvent(new CustomEvent("pressed", { detail: tab }));
    },
    true,
  );
  button.title = "Generate (Ctrl+Enter)";
  store.watch(["jobs"], () => {
    const waiting = store.waiting.length;
    if (waiting) button.dataset.note = `${waiting} waiting`;
    else delete button.dataset.note;
  });
}

export async function prepareTab(tab) {
  prepare(await mounted(`easel-message[tab="${tab}"]`));
}

for (const tab of ["txt2img", "img2img", "inpaint", "extras"]) prepareTab(tab);
