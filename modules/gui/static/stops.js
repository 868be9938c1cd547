// Skip and Interrupt.
import { el } from "./element.js";
import { attempt } from "./message.js";
import { ask } from "./server.js";
import { store } from "./store.js";

class Stops extends HTMLElement {
  connectedCallback() {
    if (this.buttons) return;
    const tab = this.getAttribute("tab");
    this.buttons = [
      el(
        "button",
        {
          type: "button",
          class: "button",
          id: `${tab}_skip`,
          title: "Leave out the pictures being made now, go on with the next (Alt+Enter)",
          onclick: () => stop("skip"),
        },
        "Skip",
      ),
      el(
        "button",
        {
          type: "button",
          class: "button",
          id: `${tab}_interrupt`,
          title: "End the job, keep what is done (Esc)",
          onclick: () => stop("interrupt"),
        },
        "Interrupt",
      ),
    ];
    this.append(...this.buttons);
    store.watch(["jobs"], () => {
      const running = store.running;
      this.buttons[0].disabled = !running || running.total < 2;
      this.buttons[1].disabled = !running;
    });
  }
}

customElements.define("easel-stops", Stops);

export function stop(how) {
  const running = store.running;
  if (!running) return;
  if (how === "interrupt") store.stopping = running.id;
  store.tell("progress");
  attempt(() => ask("/api/stop", { how }));
}
