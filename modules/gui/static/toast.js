// A sentence at the foot of a view that says what was just done, and takes it back if it can be.
import { el } from "./element.js";

const UNDO_SECONDS = 10;

export class Toast {
  element = el("div", { class: "toast", role: "status", hidden: true });
  undo = null; // what takes it back

  show(sentence, undo = null) {
    this.dismiss();
    this.undo = undo;
    this.element.replaceChildren(sentence);
    if (undo) this.element.append(el("button", { type: "button", class: "toast-act", title: "Undo (Ctrl+Z)", onclick: undo }, "Undo"));
    this.element.hidden = false;
    this.timer = setTimeout(() => this.dismiss(), UNDO_SECONDS * 1000);
  }

  dismiss() {
    clearTimeout(this.timer);
    this.element.hidden = true;
    this.undo = null;
  }
}
