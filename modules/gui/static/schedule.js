// The chosen schedule as a curve: one dot a step, its noise level against how far the steps are.
import { el } from "./element.js";
import { ask } from "./server.js";
import { changes, form } from "./values.js";

const WIDTH = 300;
const HEIGHT = 76;
const EDGE = 6;
const PATIENCE = 250;
const SHAPING = [
  ...["steps", "sampler", "schedule", "sigma_min", "sigma_max", "rho", "beta_dist_alpha", "beta_dist_beta"],
  ...["always_discard_next_to_last_sigma", "custom_sigmas", "flow_shift"],
];

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

class Schedule extends HTMLElement {
  connectedCallback() {
    if (this.plot) return;
    this.tab = this.getAttribute("tab");
    this.plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    this.words = el("p", { class: "hint" });
    this.append(this.plot, this.words);
    changes.addEventListener("values", ({ detail }) => detail === this.tab && this.later());
    new IntersectionObserver(([seen]) => {
      this.visible = seen.isIntersecting;
      this.later();
    }).observe(this);
  }

  later() {
    clearTimeout(this.timer);
    if (this.visible) this.timer = setTimeout(() => this.look(), PATIENCE);
  }

  async look() {
    const { values } = form(this.tab);
    const asked = Object.fromEntries(SHAPING.filter((name) => values[name] != null).map((name) => [name, values[name]]));
    const key = JSON.stringify(asked);
    if (key === this.drawn) return;
    this.drawn = key;
    try {
      const { sigmas } = await ask("/api/schedule", asked);
      if (key === this.drawn) this.draw(sigmas);
      if (!sigmas.length) this.drawn = "";
    } catch (refused) {
      this.plot.replaceChildren();
      this.words.textContent = refused.message;
    }
  }

  draw(sigmas) {
    this.plot.replaceChildren();
    this.words.textContent = "";
    if (sigmas.length < 2) return;
    const [highest, last] = [sigmas[0], sigmas.length - 1];
    const points = sigmas.map((sigma, i) => [
      EDGE + ((WIDTH - 2 * EDGE) * i) / last,
      HEIGHT - EDGE - ((HEIGHT - 2 * EDGE) * sigma) / highest,
    ]);
    this.plot.append(svg("polyline", { points: points.map((point) => point.join(",")).join(" ") }));
    for (const [i, [x, y]] of points.entries()) {
      const dot = svg("circle", { cx: x, cy: y, r: sigmas.length > 60 ? 1 : 2.2 });
      dot.append(svg("title", {}));
      dot.firstChild.textContent = `${i}: ${sigmas[i].toPrecision(4)}`;
      this.plot.append(dot);
    }
    this.plot.setAttribute("aria-label", `${last} steps from ${highest.toPrecision(4)} to ${sigmas[last].toPrecision(2)}`);
    this.words.textContent = `Noise level by step: ${highest.toPrecision(4)} to ${sigmas[last - 1].toPrecision(3)}, then ${sigmas[last]}`;
  }
}

customElements.define("easel-schedule", Schedule);
