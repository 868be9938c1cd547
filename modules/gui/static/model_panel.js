// Beside the models: what is known of the chosen one, and what its owner says of it.
import { el, iconButton } from "./element.js";
import { field, list } from "./model_fields.js";
import { openMerge } from "./model_merge.js";
import { openMove, openRename } from "./model_place.js";
import { openConvert, openExtractVae } from "./model_tools.js";
import { addWords, toggle, use } from "./model_use.js";
import { ask } from "./server.js";
import { shelf, size } from "./shelf.js";
import { store } from "./store.js";
import { form, refill } from "./values.js";

const FAMILIES = [["", "As found"], ["sd1", "SD 1.x"], ["sd2", "SD 2.x"], ["sdxl", "SDXL"], ["sd3", "SD 3"], ["flux", "FLUX"]];
const VARIANTS = ["", "base", "inpainting", "pix2pix", "refiner"].map((name) => [name, name || "As found"]);
const NOISE_SCHEDULES = [["", "As found"], ["false", "Default"], ["true", "Zero Terminal SNR"]];
const WEIGHTS = [["", "As found"], ["false", "Plain"], ["true", "EMA, where there are such"]];
const PREDICTIONS = [["", "As found"], ["epsilon", "Noise (epsilon)"], ["v_prediction", "v"]];
const VERBS = { checkpoint: "Load", VAE: "Use", LoRA: "In / out of the prompt", embedding: "In / out of the prompt" };

/** Gives {element, draw()}. `attempt(work)` runs what may be refused and says how it went. */
export function modelPanel(attempt) {
  const element = el("aside", { class: "inspector model-panel", "aria-label": "The chosen model" });
  let told = "";
  let drawn; // the id of the model that is shown

  const post = (path, values) => ask(`/api/models/${shelf.chosen}${path}`, values);
  const save = (values) =>
    attempt(async () => {
      told = ""; // what was typed stays as it is until the answer is drawn
      shelf.know(await post("", values));
      if ("recommended" in values || "vae" in values) refill();
    });
  const acts = { attempt, save, post };

  const draw = () => {
    const { details } = shelf;
    const model = details ?? shelf.record(shelf.chosen);
    const now = JSON.stringify([model, Boolean(details)]);
    const typing = element.contains(document.activeElement) && document.activeElement.matches("input, textarea");
    if (now === told || (typing && model?.id === drawn)) return; // what is being typed is drawn when it is left
    told = now;
    drawn = model?.id;
    const focusAgain = focused(element);
    element.classList.toggle("inspector-none", !model);
    element.replaceChildren(...(model ? [...head(model, acts), ...(details ? body(details, acts) : [])] : nothing()));
    focusAgain();
  };
  element.addEventListener("focusout", () => setTimeout(draw));
  return { element, draw };
}

/** Gives what puts the focus onto the button or list that has it now, once that was made anew; onto the cards if it is
 *  gone. */
function focused(element) {
  const name = element.contains(document.activeElement) && named(document.activeElement);
  return () => {
    if (!name) return;
    const again = [...element.querySelectorAll("button, select, summary")].find((one) => named(one) === name);
    (again ?? element.parentElement.querySelector(".grid")).focus({ preventScroll: true });
  };
}

function named(one) {
  return one.getAttribute("aria-label") ?? (one.closest(".model-field")?.querySelector(".model-label") ?? one).textContent;
}

function nothing() {
  return [
    el("p", { class: "quiet" }, "Click a checkpoint to load it, a LoRA or an embedding to put it into the prompt. What is known of it stands here then."),
    el("div", { class: "model-tools" }, el("button", { type: "button", class: "button", id: "models_merge", onclick: () => openMerge() }, "Merge checkpoints…")),
  ];
}

function head(model, acts) {
  const kind = [model.family, model.variant !== model.kind && model.variant, model.kind].filter(Boolean).join(" ");
  return [
    el(
      "div",
      { class: "inspector-head model-head" },
      el("h3", {}, el("bdi", {}, model.name)),
      iconButton("close", "Choose nothing (Esc)", () => shelf.choose(null), { class: "button bare" }),
    ),
    model.preview && el("img", { class: "model-picture", src: model.preview, alt: "" }),
    el("p", { class: "inspector-facts" }, [kind, model.format !== "safetensors" && model.format, size(model.size)].filter(Boolean).join(" · ")),
    actions(model, acts),
  ].filter(Boolean);
}

function actions(model, { attempt, post }) {
  const verb = !model.problem && VERBS[model.kind];
  const newest = () => {
    const picture = store.recent[0];
    if (!picture) throw new Error("There is no picture yet: paint one first.");
    return picture.id;
  };
  const preview = () => attempt(async () => shelf.know(await post("/preview", { picture: newest() })));
  const discard = () =>
    attempt(async () => {
      await shelf.discard();
      return `${model.name} is in the trash, from where it can be restored.`;
    });
  return el(
    "div",
    { class: "inspector-actions" },
    verb && el("button", { type: "button", class: "button button-primary model-use", onclick: () => attempt(() => use(model)) }, verb),
    model.kind === "embedding" && !model.problem && el("button", { type: "button", class: "button", onclick: () => attempt(() => toggle(model, "negative")) }, "Negative"),
    iconButton("open", "Make the newest picture its preview", preview),
    iconButton("pencil", "Rename…", () => openRename(model, attempt)),
    iconButton("folder", "Move to another folder…", () => openMove(model, attempt)),
    iconButton("clear", "Move to the trash", discard),
  );
}

function body(model, acts) {
  const readable = model.tensors > 0;
  return [
    model.problem && el("p", { class: "model-problem-text" }, model.problem),
    model.card_problem && el("p", { class: "model-problem-text" }, model.card_problem),
    model.reason && el("p", { class: "model-why" }, el("b", {}, "Told by: "), model.reason),
    words(model, acts),
    tools(model),
    ...fields(model, acts),
    readable && model.kind === "checkpoint" && settings(model, acts),
    readable && ["checkpoint", "LoRA"].includes(model.kind) && override(model, acts),
    page(model),
    facts(model),
  ].filter(Boolean);
}

/** Trigger words, those of its page, else the tags that it was trained on: a click puts one into the prompt. */
function words(model, { attempt }) {
  const own = model.card.trigger_words.split(",").map((word) => word.trim()).filter(Boolean);
  const offered = [...new Set([...own, ...model.trained_words])];
  const shown = offered.length ? offered : model.tags;
  if (!shown.length) return null;
  const chips = shown.slice(0, 24).map((word) => el("button", { type: "button", class: "model-chip", title: "Put it into the prompt", onclick: () => attempt(() => addWords(word)) }, word));
  return el("div", { class: "model-words" }, el("span", { class: "model-label" }, offered.length ? "Trigger words" : "Trained on"), ...chips);
}

/** What can be made of it. A pickle should become safetensors; one that is refused cannot be read at all. */
function tools(model) {
  const readable = model.tensors > 0;
  if (!readable) return null;
  const checkpoint = model.kind === "checkpoint" && model.family;
  const folder = model.format === "folder";
  const pickle = !folder && model.format !== "safetensors";
  const button = (id, label, open) => el("button", { type: "button", class: "button", id, onclick: () => open(model) }, label);
  return el(
    "div",
    { class: "model-tools" },
    pickle && el("p", { class: "model-why" }, el("b", {}, `A pickle (.${model.format}). `), "It is opened without running anything in it. As safetensors it holds nothing but numbers, and opens faster."),
    folder && el("p", { class: "model-why" }, el("b", {}, "A diffusers folder. "), "As one safetensors file other programs read it too."),
    button("model_convert", pickle || folder ? "Convert to safetensors…" : "Convert…", openConvert),
    checkpoint && button("model_merge", "Merge…", openMerge),
    checkpoint && button("model_vae", "Extract VAE…", openExtractVae),
  );
}

function fields(model, { save }) {
  const { card, kind } = model;
  const text = (name, label, rows) => {
    const box = el("textarea", { rows, dir: "auto", "data-field": name }, card[name]);
    box.addEventListener("change", () => save({ [name]: box.value }));
    return field(label, box);
  };
  const weight = () => {
    const box = el("input", { type: "number", step: "0.05", min: "-4", max: "4", value: card.preferred_weight || "", placeholder: "1", "data-field": "preferred_weight" });
    box.addEventListener("change", () => save({ preferred_weight: Number(box.value) || 0 }));
    return field("Weight of its tag", box);
  };
  const vae = () => {
    const known = (form("txt2img").choices.vae ?? []).filter((name) => !["Automatic", "None"].includes(name));
    const names = [["", "By file name, else its own"], ...[...new Set([...known, card.vae].filter(Boolean))].map((name) => [name, name])];
    return field("VAE that Automatic takes", list(names, card.vae, (value) => save({ vae: value })));
  };
  return [
    kind === "LoRA" && text("trigger_words", "Trigger words, added with its tag", 2),
    kind === "LoRA" && text("negative_text", "Added to the negative prompt", 1),
    kind === "LoRA" && weight(),
    kind === "checkpoint" && model.tensors > 0 && vae(),
    text("description", "Description", 2),
    text("notes", "Notes", 3),
  ].filter(Boolean);
}

/** What the widgets start with once the checkpoint is loaded. */
function settings(model, { save }) {
  const own = model.own.recommended ?? {};
  const { choices } = form("txt2img");
  const set = (name, value) => save({ recommended: { ...own, [name]: value === "" ? null : value } });
  const number = (name, step) => {
    const box = el("input", { type: "number", min: "0", step, value: own[name] ?? "", placeholder: model.recommended[name] ?? "" });
    box.addEventListener("change", () => set(name, box.value === "" ? "" : Number(box.value)));
    return box;
  };
  const choice = (name, offered) =>
    list([["", model.recommended[name] ? `As found (${model.recommended[name]})` : "As usual"], ...(offered ?? []).map((one) => [one, one])], own[name] ?? "", (value) => set(name, value));
  return group(
    "Settings that it starts with",
    field("Steps", number("steps", "1")),
    field("CFG scale", number("cfg_scale", "0.5")),
    field("Sampler", choice("sampler", choices.sampler)),
    field("Schedule", choice("schedule", choices.schedule)),
  );
}

function override(model, { save }) {
  const { own, kind } = model;
  const checkpoint = kind === "checkpoint";
  return group(
    "What you know better",
    field("Family", list(FAMILIES, own.family ?? "", (value) => save({ family: value }))),
    checkpoint && field("Variant", list(VARIANTS, own.variant ?? "", (value) => save({ variant: value }))),
    checkpoint && field("Predicts", list(PREDICTIONS, own.prediction_type ?? "", (value) => save({ prediction_type: value || null }))),
    checkpoint && field("Weights", list(WEIGHTS, `${own.use_ema ?? ""}`, (value) => save({ use_ema: value ? value === "true" : null }))),
    checkpoint && field("Noise schedule", list(NOISE_SCHEDULES, `${own.zero_terminal_snr ?? ""}`, (value) => save({ zero_terminal_snr: value ? value === "true" : null }))),
  );
}

function page({ page: told }) {
  if (!told?.name) return null;
  return group(
    "Its page",
    el("p", { class: "model-text" }, told.address ? el("a", { href: told.address, target: "_blank", rel: "noopener noreferrer" }, told.name) : told.name, told.base && ` · ${told.base}`),
    told.description && el("p", { class: "model-text" }, told.description),
  );
}

function facts(model) {
  const rows = [
    ["Hash", model.hash || "being computed…"],
    ["File", model.file],
    ["Changed", new Date(model.changed * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })],
    ["Tensors", `${model.tensors.toLocaleString()}${model.types.length ? ` in ${model.types.join(", ")}` : ""}${model.ema ? ", EMA among them" : ""}`],
    ...Object.entries(model.metadata),
  ];
  const pairs = rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto" }, value)]);
  return group("The file", el("dl", { class: "model-facts" }, ...pairs));
}

function group(title, ...children) {
  const box = el("details", { class: "model-group" }, el("summary", {}, title), el("div", { class: "model-group-body" }, ...children));
  box.open = open.has(title);
  box.addEventListener("toggle", () => open[box.open ? "add" : "delete"](title));
  return box;
}

const open = new Set(); // groups that were opened stay so for the next model
