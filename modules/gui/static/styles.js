// Styles beside the prompt: chosen ones as chips, written into the prompt on demand, the prompt kept as a new one.
import { el, iconButton } from "./element.js";
import { attempt, say } from "./message.js";
import { ask } from "./server.js";
import { apply, changes, form } from "./values.js";

let known = [];
const news = new EventTarget();

function learned({ styles, problems }) {
  known = styles;
  news.dispatchEvent(new Event("styles"));
  return problems;
}

class Styles extends HTMLElement {
  connectedCallback() {
    if (this.line) return;
    this.tab = this.getAttribute("tab");
    this.chips = el("span", { class: "style-chips" });
    this.list = el("select", { class: "style-list", "aria-label": "Add a style", onchange: () => this.add() });
    this.write = el("button", { type: "button", class: "chip", onclick: () => this.writeIn() }, "Apply");
    this.write.title = "Adds the words of the chosen styles to both prompts now, where they can be changed";
    this.open = el("button", { type: "button", class: "chip", onclick: () => this.toggle() }, "Save as style…");
    this.line = el("div", { class: "style-line" }, this.chips, this.list, this.write, this.open);
    this.name = el("input", { type: "text", class: "style-name", "aria-label": "Name of the style", maxlength: 100 });
    this.name.placeholder = "Name of the style";
    this.name.addEventListener("input", () => this.draw());
    this.name.addEventListener("keydown", (event) => this.typed(event));
    this.save = el("button", { type: "button", class: "chip", onclick: () => this.keep() });
    this.remove = el("button", { type: "button", class: "chip", onclick: () => this.forget() }, "Delete");
    const close = iconButton("close", "Do not save", () => this.toggle());
    this.saving = el("div", { class: "style-line", hidden: true }, this.name, this.save, this.remove, close);
    this.append(this.line, this.saving);
    changes.addEventListener("values", ({ detail }) => detail === this.tab && this.draw());
    news.addEventListener("styles", () => this.draw());
    this.draw();
  }

  get chosen() {
    return (form(this.tab).values.styles ?? "").split("\n").filter(Boolean);
  }

  draw() {
    const { chosen } = this;
    const left = known.map(({ name }) => name).filter((name) => !chosen.includes(name));
    const chips = chosen.map((name) =>
      el(
        "button",
        { type: "button", class: "chip", "aria-pressed": "true", title: this.words(name), onclick: () => this.drop(name) },
        name,
        el("span", { class: "icon icon-close", "aria-label": "(leave out)" }),
      ),
    );
    this.chips.replaceChildren(...chips);
    this.list.replaceChildren(
      el("option", { value: "" }, "Style…"),
      ...left.map((name) => el("option", { value: name, title: this.words(name) }, name)),
    );
    this.list.hidden = !left.length;
    this.write.hidden = !chosen.length;
    const taken = known.some(({ name }) => name === this.name.value.trim());
    this.save.textContent = taken ? "Replace" : "Save";
    this.remove.hidden = !taken;
  }

  words(name) {
    const style = known.find((one) => one.name === name);
    return style ? [style.prompt, style.negative_prompt && `not: ${style.negative_prompt}`].filter(Boolean).join("\n") : "";
  }

  choose(names) {
    apply(this.tab, { styles: names.join("\n") });
  }

  add() {
    if (this.list.value) this.choose([...this.chosen, this.list.value]);
  }

  drop(name) {
    this.choose(this.chosen.filter((one) => one !== name));
  }

  async writeIn() {
    const { prompt = "", negative_prompt = "", styles = "" } = form(this.tab).values;
    const answer = await attempt(() => ask("/api/styles/apply", { prompt, negative_prompt, styles }), this.tab);
    if (answer) apply(this.tab, { ...answer, styles: "" });
  }

  toggle() {
    this.saving.hidden = !this.saving.hidden;
    this.open.setAttribute("aria-expanded", String(!this.saving.hidden));
    if (this.saving.hidden) return this.open.focus();
    if (this.chosen.length === 1) [this.name.value] = this.chosen;
    this.draw();
    this.name.focus();
  }

  typed(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.keep();
    } else if (event.key === "Escape") {
      event.stopPropagation();
      this.toggle();
    }
  }

  async keep() {
    const { prompt = "", negative_prompt = "" } = form(this.tab).values;
    const name = this.name.value.trim();
    const style = { name, prompt, negative_prompt, replace: known.some((one) => one.name === name) };
    const answer = await attempt(() => ask("/api/styles", style), this.tab);
    if (!answer) return;
    learned(answer);
    this.name.value = "";
    this.toggle();
    say(this.tab, `The style ${name} is kept.`, "", "note");
  }

  async forget() {
    const name = this.name.value.trim();
    const answer = await attempt(() => ask("/api/styles/remove", { name }), this.tab);
    if (!answer) return;
    this.drop(name);
    learned(answer);
    this.name.value = "";
    this.toggle();
    say(this.tab, `The style ${name} is deleted.`, "styles.csv.bak still has it.", "note");
  }
}

customElements.define("easel-styles", Styles);

ask("/api/styles").then((answer) => {
  const problems = learned(answer);
  if (problems.length) say("txt2img", "Some styles could not be read.", problems.join(" "));
}, () => null);
