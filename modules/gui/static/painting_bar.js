// The bar above a picture that is painted on: its tools, its brush, and what can be done at once.
import { automaticMasks } from "./automatic_masks.js";
import { el, iconButton } from "./element.js";
import { TOOLS } from "./tools.js";

const KEYS = [
  ["B, E", "brush, eraser"],
  ["R, L", "rectangle, lasso"],
  ["F, C", "fill where the colour is alike: joined, everywhere"],
  ["[ and ]", "smaller or larger brush"],
  ["Wheel, two fingers", "zoom at the pointer"],
  ["Space or H, then drag", "move the view"],
  ["0", "show the whole picture"],
  ["I, Delete", "invert the mask, clear"],
  ["Ctrl+Z", "undo"],
  ["Ctrl+Shift+Z, Ctrl+Y", "redo"],
  ["?", "these keys"],
];

/** Gives {element, automatic, choose(tool), brushed(brush)} for a `source`; `automatic` is there where masks are. */
export function paintingBar(source) {
  const { masks, brush } = source;
  const tools = Object.fromEntries(
    Object.entries(TOOLS).map(([name, { label, key }]) => [
      name,
      iconButton(name, `${label} (${key.toUpperCase()})`, () => source.choose(name), { "data-tool": name, "aria-pressed": "false" }),
    ]),
  );
  const slides = {};
  const slide = (name, label, min, max, step) => {
    const input = el("input", { type: "range", min, max, step, "aria-label": label, value: brush[name] });
    input.addEventListener("input", () => source.setBrush({ [name]: Number(input.value) }));
    slides[name] = input;
    return el("label", { class: "slide", title: label }, el("span", {}, label), input);
  };
  const colour = (name, label) => {
    const input = el("input", { type: "color", value: brush[name], "aria-label": label, title: label, class: "ink" });
    input.addEventListener("input", () => source.setBrush({ [name]: input.value }));
    return input;
  };
  const sketch = el("input", { type: "checkbox" });
  sketch.checked = source.sketching;
  sketch.addEventListener("change", () => (source.sketching = sketch.checked));
  const mask = el("input", { type: "file", accept: "image/*", hidden: true, onchange: () => source.bringMask(mask.files[0]) });
  const automatic = masks && automaticMasks((name) => source.makeMask(name));
  const act = (icon, label, does) => iconButton(icon, label, does, { "data-act": icon });
  const element = el(
    "div",
    { class: "source-bar", role: "toolbar", "aria-label": "Painting tools" },
    el("span", { class: "source-tools" }, ...Object.values(tools)),
    slide("size", "Size", 1, 600, 1),
    slide("hardness", "Hardness", 0, 1, 0.05),
    slide("tolerance", "Tolerance", 0, 128, 1),
    masks && slide("opacity", "Mask opacity", 0.1, 1, 0.05),
    masks && colour("tint", "Colour of the mask on the screen"),
    el(
      "label",
      { class: "source-sketch", title: "Paint with a colour that becomes part of the picture" },
      masks && sketch,
      masks && "Colour",
      colour("colour", "Colour"),
    ),
    el(
      "span",
      { class: "source-tools" },
      act("undo", "Undo (Ctrl+Z)", () => source.undo()),
      act("redo", "Redo (Ctrl+Shift+Z)", () => source.redo()),
      masks && act("invert", "Invert the mask (I)", () => source.whole((raster) => raster.invert())),
      masks && act("fill", "Mask everything", () => source.whole((raster) => raster.fill(255))),
      automatic,
      act("clear", "Clear what was painted (Del)", () => source.clear()),
      act("fit", "Show the whole picture (0)", () => source.fit()),
      masks && act("upload", "Use a picture as the mask", () => mask.click()),
      act("open", "Another picture", () => source.file.click()),
      act("close", "Remove the picture", () => source.removePicture()),
    ),
    mask,
  );
  return {
    element,
    automatic,
    choose(tool) {
      for (const [name, button] of Object.entries(tools)) button.setAttribute("aria-pressed", String(name === tool));
    },
    brushed(values) {
      for (const [name, input] of Object.entries(slides)) input.value = values[name];
    },
  };
}

/** The keys, shown on request: {element, show()}. */
export function keysHelp() {
  const rows = KEYS.flatMap(([keys, does]) => [el("dt", {}, keys), el("dd", {}, does)]);
  const keys = el("div", { class: "source-keys", popover: "auto" }, el("h3", {}, "Keys"), el("dl", {}, ...rows));
  const show = () => keys.showPopover();
  const button = el("button", { type: "button", class: "source-ask", onclick: show }, "Keys (?)");
  return { element: el("span", { class: "source-help" }, button, keys), show };
}
