// See inside: a panel over the page for one picture, one running job or one prompt. Closed, it asks for nothing.
import { el, iconButton, setText } from "./element.js";
import { promptView } from "./inspect_prompt.js";
import { stepsView } from "./inspect_steps.js";
import { vaeView } from "./inspect_vae.js";

const TAB = "inspect";
const PAGES = [
  ["steps", "Steps", (about) => about.picture || about.job],
  ["prompt", "Prompt", () => true],
  ["vae", "VAE", (about) => about.picture || !about.job],
];

class Inspect {
  about = null;

  constructor() {
    this.views = { steps: stepsView(), prompt: promptView(), vae: vaeView() };
    this.words = el("p", { class: "inside-about", dir: "auto" });
    this.choices = PAGES.map(([name, label]) =>
      el("button", { type: "button", role: "tab", id: `inspect_${name}`, "aria-controls": "inspect_body", onclick: () => this.show(name) }, label),
    );
    this.body = el("div", { class: "inside-body", id: "inspect_body", role: "tabpanel", tabindex: -1 });
    this.dialog = el(
      "dialog",
      { class: "inside", id: TAB, "aria-label": "See inside" },
      el(
        "header",
        { class: "inside-head" },
        el("h2", {}, "See inside"),
        el("div", { class: "inside-choice", role: "tablist", "aria-label": "What to see" }, ...this.choices),
        this.words,
        iconButton("close", "Close (Esc)", () => this.dialog.close()),
      ),
      el("easel-message", { tab: TAB }),
      this.body,
    );
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.leave());
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    document.body.append(this.dialog);
  }

  open(about, page) {
    this.leave();
    this.about = about;
    setText(this.words, about.picture?.prompt ?? about.job?.prompt ?? "");
    this.dialog.querySelector("easel-message").say("");
    PAGES.forEach(([, , fits], i) => (this.choices[i].hidden = !fits(about)));
    if (!this.dialog.open) this.dialog.showModal();
    this.body.focus();
    this.show(page ?? (about.picture || about.job ? "steps" : "prompt"));
  }

  show(page) {
    this.views[this.page]?.rest?.();
    this.page = page;
    PAGES.forEach(([name], i) => {
      this.choices[i].setAttribute("aria-selected", String(name === page));
      this.choices[i].tabIndex = name === page ? 0 : -1;
    });
    this.body.setAttribute("aria-labelledby", `inspect_${page}`);
    this.body.replaceChildren(this.views[page].element);
    this.views[page].show(this.about);
  }

  /** Arrows walk the tabs while one of these has the focus; else they are the page's. */
  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !event.target.closest("[role=tab]")) return this.views[this.page]?.key?.(event);
    event.preventDefault();
    const there = this.choices.filter((one) => !one.hidden);
    const next = there.at((there.indexOf(event.target) + step) % there.length);
    next.click();
    next.focus();
  }

  /** Nothing is looked at any more: the views let go of what they follow. */
  leave() {
    for (const view of Object.values(this.views)) view.leave();
    this.body.replaceChildren();
    this.about = this.page = null;
  }
}

let panel = null;

/** Opens the panel: {picture}, {job} or {values} of a form. `page`: "steps", "prompt" or "vae". */
export function inspect(about, page = null) {
  panel ??= new Inspect();
  panel.open(about, page);
}
