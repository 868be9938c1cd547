// Which of the two is looked at: the picture to start from, or the result.
import { el } from "./element.js";

/** The choice above the pictures. */
export class Looks extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    const button = (look, label) =>
      el("button", { type: "button", "data-look": look, "aria-pressed": String(look === "source"), onclick: () => showLook(this, look) }, label);
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", "What is shown");
    this.append(button("source", "Picture"), button("result", "Result"));
  }
}

/** Shows "source" or "result" in the part of the page where `element` stands. */
export function showLook(element, view) {
  const cell = element.closest(".stage-cell");
  if (cell) cell.dataset.view = view;
  for (const button of cell?.querySelectorAll("[data-look]") ?? []) {
    button.setAttribute("aria-pressed", String(button.dataset.look === view));
  }
}

customElements.define("easel-looks", Looks);
