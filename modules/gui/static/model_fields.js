// The fields that forms about models are made of.
import { el } from "./element.js";

export function field(label, input, attributes = {}) {
  return el("label", { class: "model-field", ...attributes }, el("span", { class: "model-label" }, label), input);
}

/** A list of [value, label]; `changed` hears the value that is chosen. */
export function list(choices, chosen, changed = () => {}, attributes = {}) {
  const box = el("select", attributes, ...options(choices, chosen));
  box.addEventListener("change", () => changed(box.value));
  return box;
}

export function options(choices, chosen) {
  return choices.map(([value, label]) => el("option", { value, selected: value === chosen }, label));
}

export function tick(label, checked, attributes = {}) {
  const box = el("input", { type: "checkbox", checked, ...attributes });
  return { box, element: el("label", { class: "tool-tick" }, box, el("span", {}, label)) };
}
