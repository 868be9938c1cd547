// Two curves over the steps: how much noise is left, and how strongly the prompt pulls.
import { el } from "./element.js";

const WIDTH = 400;
const HEIGHT = 56;
const EDGE = 4;

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Gives {element, draw(steps, at)}; `chosen(i)` is told which step is pointed at. */
export function chart(chosen) {
  const plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const legend = el("p", { class: "inside-legend" }, el("span", { class: "legend-noise" }, "Noise left"), el("span", { class: "legend-pull" }, "Pull of the prompt"));
  const element = el("div", { class: "inside-chart" }, plot, legend);
  let count = 0;

  const point = (event) => {
    const box = plot.getBoundingClientRect();
    if (count) chosen(Math.round(((event.clientX - box.left) / box.width) * (count - 1)));
  };
  plot.addEventListener("pointerdown", (event) => {
    plot.setPointerCapture(event.pointerId);
    point(event);
  });
  plot.addEventListener("pointermove", (event) => event.buttons && point(event));

  return {
    element,
    draw(steps, at) {
      count = steps.length;
      const x = (i) => (count > 1 ? (i * WIDTH) / (count - 1) : WIDTH / 2);
      const line = (values) => {
        const most = Math.max(...values, 1e-9);
        return values.map((value, i) => `${x(i)},${HEIGHT - EDGE - ((HEIGHT - 2 * EDGE) * value) / most}`);
      };
      const noise = line(steps.map((one) => Math.sqrt(one.sigma)));
      const pulls = steps.map((one) => (one.noise.difference ?? 0) / one.noise.conditional);
      plot.replaceChildren(
        svg("polygon", { class: "chart-noise", points: [`${x(0)},${HEIGHT}`, ...noise, `${x(count - 1)},${HEIGHT}`].join(" ") }),
        svg("line", { class: "chart-now", x1: x(at), x2: x(at), y1: 0, y2: HEIGHT, "vector-effect": "non-scaling-stroke" }),
      );
      legend.lastChild.hidden = !pulls.some(Boolean);
      if (pulls.some(Boolean)) plot.append(svg("polyline", { class: "chart-pull", points: line(pulls).join(" "), "vector-effect": "non-scaling-stroke" }));
    },
  };
}
