// Two pictures over each other: a line between them is dragged or moved with the arrow keys. The wheel zooms.
import { el, iconButton, setText } from "./element.js";

const MOST = 16;
const FASTER = 1.0015;
const STEP = 1; // percent

class Compare {
  at = 50; // percent of the width that shows the first picture
  view = { zoom: 1, x: 0, y: 0 };

  constructor() {
    this.images = [el("img", { alt: "Before", draggable: "false" }), el("img", { alt: "After", draggable: "false" })];
    this.labels = [el("span", { class: "compare-label" }), el("span", { class: "compare-label compare-second" })];
    this.line = el("div", {
      class: "compare-line",
      role: "slider",
      tabindex: "0",
      "aria-label": "How much of the first picture is shown",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
    });
    this.space = el(
      "div",
      { class: "compare-space" },
      el("div", { class: "compare-side" }, this.images[1]),
      el("div", { class: "compare-side compare-first" }, this.images[0]),
      ...this.labels,
      this.line,
    );
    this.words = el("p", { class: "viewer-words" });
    this.dialog = el(
      "dialog",
      { class: "viewer compare", "aria-label": "Compare two pictures" },
      this.space,
      el(
        "div",
        { class: "viewer-bar" },
        this.words,
        iconButton("swap", "Swap the two (X)", () => this.swap()),
        iconButton("fit", "Whole pictures (Z)", () => this.look(1, 0, 0)),
        iconButton("close", "Close (Esc)", () => this.dialog.close()),
      ),
    );
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.space.addEventListener("pointerdown", (event) => this.drag(event));
    this.space.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    document.body.append(this.dialog);
  }

  open(first, second) {
    this.pictures = [first, second];
    this.draw();
    this.move(50);
    this.look(1, 0, 0);
    this.dialog.showModal();
    this.line.focus();
  }

  draw() {
    this.pictures.forEach(({ url, width, height, label, seed }, i) => {
      this.images[i].src = url;
      const shown = label ?? (seed >= 0 ? `seed ${seed}` : "");
      setText(this.labels[i], [shown, `${width} × ${height}`].filter(Boolean).join(" · "));
    });
    setText(this.words, differences(...this.pictures.map((picture) => picture.infotext ?? "")));
    this.words.title = this.words.textContent;
  }

  swap() {
    this.pictures.reverse();
    this.draw();
  }

  move(percent) {
    this.at = Math.min(100, Math.max(0, percent));
    this.space.style.setProperty("--at", `${this.at}%`);
    this.line.setAttribute("aria-valuenow", Math.round(this.at));
  }

  look(zoom, x, y) {
    const limited = Math.min(MOST, Math.max(1, zoom));
    this.view = limited === 1 ? { zoom: 1, x: 0, y: 0 } : { zoom: limited, x, y };
    for (const image of this.images) {
      image.style.transform = `translate(${this.view.x}px, ${this.view.y}px) scale(${this.view.zoom})`;
      image.classList.toggle("pixels", this.view.zoom > 4);
    }
  }

  /** Zooms so that the point under the pointer stays where it is. */
  wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 30 : 1);
    const zoom = Math.min(MOST, Math.max(1, this.view.zoom * FASTER ** -pixels));
    const box = this.space.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
    const grown = zoom / this.view.zoom;
    this.look(zoom, px - (px - this.view.x) * grown, py - (py - this.view.y) * grown);
  }

  /** The line follows the pointer; where the pictures are zoomed, only the line itself does, and the rest moves them. */
  drag(event) {
    if (event.button > 0) return;
    const box = this.space.getBoundingClientRect();
    const pans = this.view.zoom > 1 && event.target !== this.line;
    const from = { x: event.clientX - this.view.x, y: event.clientY - this.view.y };
    const move = (now) =>
      pans
        ? this.look(this.view.zoom, now.clientX - from.x, now.clientY - from.y)
        : this.move(((now.clientX - box.left) / box.width) * 100);
    event.preventDefault();
    this.line.focus();
    this.space.setPointerCapture(event.pointerId);
    this.space.addEventListener("pointermove", move);
    const up = () => this.space.removeEventListener("pointermove", move);
    this.space.addEventListener("pointerup", up, { once: true });
    this.space.addEventListener("pointercancel", up, { once: true });
    move(event);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEP * (event.shiftKey ? 10 : 1);
    const act = {
      ArrowLeft: () => this.move(this.at - step),
      ArrowRight: () => this.move(this.at + step),
      Home: () => this.move(0),
      End: () => this.move(100),
      x: () => this.swap(),
      z: () => this.look(1, 0, 0),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }
}

let dialog = null;

/** Shows two pictures: {url, width, height, seed or label, infotext}. */
export function compare(first, second) {
  dialog ??= new Compare();
  dialog.open(first, second);
}

const ENTRY = /([\w][\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/g;
const OF_NO_INTEREST = new Set(["Version", "Model hash", "VAE hash"]);

/** What the texts of two pictures say differently, as a sentence. */
export function differences(first, second) {
  const [before, after] = [entries(first), entries(second)];
  const keys = [...new Set(["Prompt", ...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key));
  const told = keys.filter((key) => !OF_NO_INTEREST.has(key));
  if (!told.length) return first && second ? "The same settings" : "";
  const shown = (value) => (value === undefined ? "none" : value);
  return told
    .map((key) => (key === "Prompt" ? "Prompt differs" : `${key}: ${shown(before.get(key))} → ${shown(after.get(key))}`))
    .join(" · ");
}

function entries(infotext) {
  const lines = infotext.split("\n");
  const found = new Map();
  if (/\bSteps: \d+/.test(lines.at(-1))) for (const [, key, value] of lines.pop().matchAll(ENTRY)) found.set(key, value);
  return found.set("Prompt", lines.join("\n"));
}
