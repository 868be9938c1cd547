// Aspect presets: sizes of about the area that the loaded model was made for.
import { el } from "./element.js";
import { apply, changes, form } from "./values.js";

const RATIOS = [
  [1, 1],
  [4, 3],
  [3, 2],
  [16, 9],
  [3, 4],
  [2, 3],
  [9, 16],
];
const COARSE = 64;
const FINE = 32;
const FINEST = 8;

/** [width, height] of a ratio: both divisible by what the networks like best, the area close to `area` pixels. */
export function sizeFor([across, down], area) {
  const step = area >= 512 * 512 ? COARSE : area >= 256 * 256 ? FINE : FINEST;
  const width = Math.sqrt((area * across) / down);
  return [width, (width * down) / across].map((side) => Math.max(64, Math.round(side / step) * step));
}

class Aspects extends HTMLElement {
  connectedCallback() {
    if (this.buttons) return;
    this.tab = this.getAttribute("tab");
    this.buttons = RATIOS.map((ratio) => {
      const shape = el("i", { "aria-hidden": "true", style: `aspect-ratio: ${ratio[0]} / ${ratio[1]}` });
      const button = el(
        "button",
        { type: "button", class: "chip", onclick: () => this.choose(ratio) },
        shape,
        `${ratio[0]}:${ratio[1]}`,
      );
      return button;
    });
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", "Aspect presets");
    this.append(...this.buttons);
    changes.addEventListener("values", ({ detail }) => detail === this.tab && this.draw());
    this.draw();
  }

  get area() {
    const { filled } = form(this.tab);
    return (filled.width ?? 512) * (filled.height ?? 512);
  }

  choose(ratio) {
    const [width, height] = sizeFor(ratio, this.area);
    apply(this.tab, { width, height });
  }

  draw() {
    const { width, height } = form(this.tab).values;
    RATIOS.forEach((ratio, i) => {
      const [w, h] = sizeFor(ratio, this.area);
      this.buttons[i].setAttribute("aria-pressed", String(w === width && h === height));
      this.buttons[i].title = `${w} × ${h}`;
    });
  }
}

customElements.define("easel-aspects", Aspects);
