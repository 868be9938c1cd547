// Using a model: a checkpoint or VAE is loaded, a LoRA or an embedding goes into the prompt, or out of it again.
import { ask } from "./server.js";
import { pathOf } from "./shelf.js";
import { apply, form, refill } from "./values.js";

const PAINTING = ["txt2img", "img2img", "inpaint"];
let tab = PAINTING[0]; // the last one looked at: its prompt is meant

new MutationObserver(() => {
  if (PAINTING.includes(document.body.dataset.tab)) tab = document.body.dataset.tab;
}).observe(document.body, { attributes: true, attributeFilter: ["data-tab"] });
if (PAINTING.includes(document.body.dataset.tab)) tab = document.body.dataset.tab;

/** Does with a model what a click on its card means; gives the sentence that says so. */
export async function use(model) {
  if (model.kind === "checkpoint") return load(model);
  if (model.kind === "VAE") return choose("vae", model);
  return toggle(model, "prompt");
}

async function load(model) {
  const name = offered("checkpoint", model);
  await ask("/api/load", { checkpoint: name, vae: form(tab).values.vae ?? "" });
  for (const one of PAINTING) apply(one, { checkpoint: name });
  refill();
  return `${model.name} is being loaded.`;
}

function choose(field, model) {
  for (const one of PAINTING) apply(one, { [field]: offered(field, model) });
  return `${model.name} is the VAE of the next pictures.`;
}

/** What the widget calls this file: its name, or its path where two files share the name. */
function offered(field, model) {
  const choices = form(tab).choices[field] ?? [];
  return choices.find((choice) => choice === model.name || choice === pathOf(model)) ?? model.name;
}

/** Puts a LoRA's tag or an embedding's name into a prompt, or takes it out when it is there. */
export function toggle(model, field) {
  const id = field === "prompt" ? "prompt" : "neg_prompt";
  const box = document.querySelector(`#${tab}_${id} textarea`);
  const name = model.name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const there = model.kind === "LoRA" ? new RegExp(`,?\\s*<lora:${name}(:[^<>]*)?>`, "g") : new RegExp(`,?\\s*(?<![\\w-])${name}(?![\\w-])`, "g");
  const place = field === "prompt" ? "prompt" : "negative prompt";
  if (there.test(box.value)) {
    write(box, box.value.replace(there, "").replace(/^,\s*/, ""));
    return `${model.name} is taken out of ${tab}'s ${place}.`;
  }
  const tag = model.kind === "LoRA" ? `<lora:${model.name}:${model.weight || 1}>` : model.name;
  write(box, joined(box.value, model.kind === "LoRA" && model.words ? `${tag} ${model.words}` : tag));
  if (model.negative && field === "prompt") {
    const negative = document.querySelector(`#${tab}_neg_prompt textarea`);
    if (negative && !negative.value.includes(model.negative)) write(negative, joined(negative.value, model.negative));
  }
  return `${tag} is in ${tab}'s ${place}.`;
}

/** Puts words at the end of the prompt. */
export function addWords(words) {
  const box = document.querySelector(`#${tab}_prompt textarea`);
  write(box, joined(box.value, words));
  return `“${words}” is in ${tab}'s prompt.`;
}

function joined(before, more) {
  const text = before.replace(/[\s,]+$/, "");
  return text ? `${text}, ${more}` : more;
}

function write(box, text) {
  box.value = text;
  box.dispatchEvent(new Event("input", { bubbles: true }));
}
