// Sheets that make a new model file of others. The server says beforehand what would come of it, and why it cannot be.
import { el, iconButton, setText } from "./element.js";
import { follow } from "./model_making.js";
import { field, list, tick } from "./model_fields.js";
import { ask } from "./server.js";
import { size } from "./shelf.js";

const PAUSE = 200;
const FORMATS = [["", "As it is"], ["fp16", "fp16"], ["bf16", "bf16"], ["fp32", "fp32"]];
const FP8 = ["fp8", "fp8 the UNet, fp16 the rest"];
const EMAS = { both: "Both", plain: "Plain only", ema: "EMA only" };

/** A sheet for one tool. Subclasses put their own fields into `build` and `values`. */
export class ToolSheet {
  ema = null; // whether there are EMA weights to choose; null until the server said so

  /** `path`: of the route; `kind`: of the files; `keeps`: which of EMAS can be chosen. */
  constructor({ tool, path, title, verb, kind, keeps = [] }) {
    Object.assign(this, { tool, path, kind });
    this.checkpoint = kind === "checkpoint";
    this.message = el("p", { class: "message message-error", role: "alert", hidden: true });
    this.outcome = el("p", { class: "tool-outcome", role: "status" });
    this.name = el("input", { type: "text", id: "tool_name", autocomplete: "off", spellcheck: "false", maxlength: 150 });
    this.dtype = list(this.checkpoint && tool !== "extract VAE" ? [...FORMATS, FP8] : FORMATS, "", () => {}, { id: "tool_dtype" });
    this.keep = list(keeps.map((one) => [one, EMAS[one]]), keeps[0], () => {}, { id: "tool_ema" });
    this.keepField = field("Weights of the UNet", this.keep, { hidden: true });
    this.prune = tick("Leave out what painting does not need", false, { id: "tool_prune" });
    this.load = tick("Load it when it is there", false, { id: "tool_load" });
    this.go = el("button", { type: "submit", class: "button tool-go", disabled: true }, verb);
    this.body = el("div", { class: "tool-fields" });
    const form = el("form", { method: "dialog" }, this.body, this.outcome, this.message, el("div", { class: "tool-actions" }, this.go));
    this.dialog = el(
      "dialog",
      { class: "sheet tool-sheet", "aria-label": title, id: "models_tool" },
      el("div", { class: "sheet-head" }, el("h2", {}, el("bdi", {}, title)), iconButton("close", "Close (Esc)", () => this.dialog.close())),
      form,
    );
    form.addEventListener("submit", (event) => (event.preventDefault(), this.submit()));
    form.addEventListener("input", () => this.changed());
    this.dialog.addEventListener("close", () => this.dialog.remove());
  }

  open() {
    const checkpoints = this.checkpoint && this.tool !== "extract VAE";
    this.body.append(
      ...this.build(),
      field("Number format", this.dtype),
      ...(checkpoints ? [this.keepField, this.prune.element] : []),
      field("Name of the new file", this.name, { class: "model-field tool-wide" }),
      ...(checkpoints ? [this.load.element] : []),
    );
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.plan();
  }

  build() {
    return [];
  }

  /** What is still to be chosen, or "". */
  missing() {
    return "";
  }

  values() {
    const kept = this.ema === false || this.ema === null ? {} : { ema: this.keep.value };
    return { tool: this.tool, kind: this.kind, name: this.name.value.trim(), dtype: this.dtype.value, prune: this.prune.box.checked, ...kept };
  }

  changed() {
    clearTimeout(this.timer);
    this.go.disabled = true;
    this.timer = setTimeout(() => this.plan(), PAUSE);
  }

  /** Asks what would come of it; the answer to an older question is not looked at. */
  async plan() {
    const missing = this.missing();
    this.asked = {};
    const asked = this.asked;
    this.go.disabled = true;
    if (missing) return this.show(missing, null);
    try {
      const order = await ask("/api/models/make/plan", this.values());
      if (asked !== this.asked) return;
      if (order.message) return this.show("", order);
      this.order = order;
      const had = this.ema;
      this.ema = order.ema;
      this.keepField.hidden = !order.ema;
      this.name.placeholder = order.name;
      this.show([order.file, size(order.size), `${size(order.free)} free`].join(" · "), null);
      this.go.disabled = false;
      if (order.ema && had !== true) this.plan(); // the choice counts from now on
    } catch (refused) {
      if (asked === this.asked) this.show("", refused);
    }
  }

  show(outcome, refused) {
    setText(this.outcome, outcome);
    this.message.hidden = !refused;
    this.message.replaceChildren(...(refused ? [el("strong", {}, refused.message), ` ${refused.hint ?? ""}`] : []));
  }

  async submit() {
    if (this.go.disabled) return;
    this.go.disabled = true;
    try {
      const { tool: _, ...values } = this.values();
      const job = await ask(`/api/models/make/${this.path}`, values);
      const { id, name, folder, kind } = this.order;
      follow(job, { id, name, folder, kind, format: "safetensors" }, this.load.box.checked);
      this.dialog.close();
    } catch (refused) {
      this.show("", refused);
    }
  }
}

class Convert extends ToolSheet {
  constructor(model) {
    super({ tool: "convert", path: "convert", title: `Convert ${model.name}`, verb: "Convert", kind: model.kind, keeps: ["both", "plain", "ema"] });
    this.model = model;
    if (model.format !== "safetensors") this.load.box.checked = true;
    if (["safetensors", "folder"].includes(model.format) && model.types.includes("F32")) this.dtype.value = "fp16"; // what most want of it
  }

  build() {
    return [el("p", { class: "quiet tool-wide" }, "A new safetensors file is written; the old one stays as it is.")];
  }

  values() {
    return { ...super.values(), first: this.model.id };
  }
}

class ExtractVae extends ToolSheet {
  constructor(model) {
    super({ tool: "extract VAE", path: "vae", title: `The VAE of ${model.name}`, verb: "Extract", kind: "checkpoint" });
    this.model = model;
  }

  build() {
    return [el("p", { class: "quiet tool-wide" }, "The VAE inside the checkpoint becomes a file of its own among the VAEs.")];
  }

  values() {
    return { ...super.values(), first: this.model.id };
  }
}

export const openConvert = (model) => new Convert(model).open();
export const openExtractVae = (model) => new ExtractVae(model).open();
