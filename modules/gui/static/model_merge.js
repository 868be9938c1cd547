// The sheet that mixes checkpoints, and bakes a VAE or LoRAs into one.
import { el, iconButton } from "./element.js";
import { field, list, options } from "./model_fields.js";
import { ToolSheet } from "./model_tools.js";
import { ask } from "./server.js";
import { pathOf } from "./shelf.js";

const WEIGHTED_SUM = "Weighted sum";
const ADD_DIFFERENCE = "Add difference";
const METHODS = [
  [WEIGHTED_SUM, "Weighted sum: A × (1 − M) + B × M"],
  [ADD_DIFFERENCE, "Add difference: A + (B − C) × M"],
  ["No interpolation", "Only A, with what is baked in"],
];


class Merge extends ToolSheet {
  models = { checkpoint: [], VAE: [], LoRA: [] };
  loras = [];

  /** `model`: what A is at first, or null. */
  constructor(model) {
    super({ tool: "merge", path: "merge", title: "Merge checkpoints", verb: "Merge", kind: "checkpoint", keeps: ["plain", "ema"] });
    this.first = list([], "", () => this.offer(), { id: "tool_first" });
    this.second = list([], "", () => {}, { id: "tool_second" });
    this.third = list([], "", () => {}, { id: "tool_third" });
    this.method = list(METHODS, WEIGHTED_SUM, () => this.fit(), { id: "tool_method" });
    this.slider = el("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0.3, "aria-label": "Multiplier M" });
    this.multiplier = el("input", { type: "number", min: -2, max: 2, step: 0.05, value: 0.3, id: "tool_multiplier" });
    this.slider.addEventListener("input", () => (this.multiplier.value = this.slider.value));
    this.multiplier.addEventListener("input", () => (this.slider.value = this.multiplier.value));
    this.vae = list([["", "A's own"]], "", () => {}, { id: "tool_vae" });
    this.rows = el("div", { class: "tool-wide tool-loras" });
    this.start = model?.id ?? "";
  }

  build() {
    const wide = { class: "model-field tool-wide" };
    this.fields = {
      first: field("A", this.first),
      second: field("B", this.second),
      third: field("C", this.third, wide),
      multiplier: field("Multiplier M", el("span", { class: "tool-slider" }, this.slider, this.multiplier), wide),
    };
    const add = el("button", { type: "button", class: "button", id: "tool_add_lora", onclick: () => this.addLora() }, "Bake in a LoRA");
    this.adding = el("div", { class: "tool-wide" }, add);
    this.fit();
    this.fetch();
    return [field("Method", this.method, wide), this.fields.first, this.fields.second, this.fields.third, this.fields.multiplier, field("VAE", this.vae, wide), this.rows, this.adding];
  }

  async fetch() {
    try {
      for (const kind of Object.keys(this.models)) {
        const { models } = await ask(`/api/models/kinds/${kind}`);
        this.models[kind] = models.filter(({ problem }) => kind === "checkpoint" || !problem);
      }
    } catch (refused) {
      return this.show("", refused);
    }
    const checkpoints = this.models.checkpoint.filter(({ family }) => family);
    this.first.replaceChildren(...options([["", "Choose…"], ...checkpoints.map((one) => [one.id, pathOf(one)])], this.start));
    this.vae.replaceChildren(...options([["", "A's own"], ...this.models.VAE.map((one) => [one.id, pathOf(one)])], ""));
    this.adding.hidden = !this.models.LoRA.length;
    this.offer();
    this.plan();
  }

  /** Only what is of A's family can be mixed with it. */
  offer() {
    const first = this.models.checkpoint.find(({ id }) => id === this.first.value);
    const alike = this.models.checkpoint.filter((one) => one !== first && (first ? one.family === first.family : one.family));
    for (const box of [this.second, this.third]) {
      const chosen = box.value;
      box.replaceChildren(...options([["", "Choose…"], ...alike.map((one) => [one.id, pathOf(one)])], chosen));
    }
    this.fitting = this.models.LoRA.filter(({ family }) => !first || !family || family === first.family);
  }

  /** Shows what the method needs. */
  fit() {
    const { first, second, third, multiplier } = this.fields;
    second.hidden = multiplier.hidden = ![WEIGHTED_SUM, ADD_DIFFERENCE].includes(this.method.value);
    third.hidden = this.method.value !== ADD_DIFFERENCE;
    first.classList.toggle("tool-wide", second.hidden);
  }

  addLora() {
    const name = list(this.fitting.map((one) => [one.id, pathOf(one)]), this.fitting[0]?.id, () => {}, { "aria-label": "LoRA" });
    const weight = el("input", { type: "number", min: -10, max: 10, step: 0.05, value: this.fitting[0]?.weight || 1, "aria-label": "Weight" });
    const lora = { name, weight };
    const remove = () => {
      this.loras = this.loras.filter((one) => one !== lora);
      row.remove();
      this.changed();
    };
    const row = el("div", { class: "model-field tool-lora" }, name, weight, iconButton("close", "Leave it out", remove));
    this.loras.push(lora);
    this.rows.append(row);
    this.changed();
  }

  missing() {
    if (!this.first.value) return "Choose the checkpoint A.";
    if (!this.fields.second.hidden && !this.second.value) return "Choose the checkpoint B.";
    if (!this.fields.third.hidden && !this.third.value) return "Choose the checkpoint C.";
    const bakes = this.vae.value || this.loras.length;
    return this.fields.second.hidden && !bakes ? "Choose a VAE or a LoRA to be baked in." : "";
  }

  values() {
    const loras = this.loras.map(({ name, weight }) => ({ name: name.value, weight: Number(weight.value) }));
    const multiplier = Number(this.multiplier.value);
    return { ...super.values(), first: this.first.value, second: this.second.value, third: this.third.value, method: this.method.value, multiplier, vae: this.vae.value, loras };
  }
}

export const openMerge = (model = null) => new Merge(model).open();
