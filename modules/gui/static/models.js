// The Models tab: finding models, using them with one click, and beside them what is known of the chosen one.
import { el, iconButton, offer, setText } from "./element.js";
import { Grid } from "./grid.js";
import { say } from "./message.js";
import { downloadLine, openModelDownload } from "./model_download.js";
import { options } from "./model_fields.js";
import { makingLine } from "./model_making.js";
import { modelPanel } from "./model_panel.js";
import { openModelTrash } from "./model_trash.js";
import { use } from "./model_use.js";
import { ask, Refused } from "./server.js";
import { fileName, KINDS, pathOf, shelf, size } from "./shelf.js";
import { store } from "./store.js";

const TAB = "models";
const TYPING_PAUSE = 60;
const TO_PROMPT = "Click: into the prompt, or out of it";
const USES = { checkpoint: "Click: load it", LoRA: TO_PROMPT, embedding: TO_PROMPT, VAE: "Click: use it" };

class Models extends HTMLElement {
  connectedCallback() {
    if (this.grid) return;
    this.grid = new Grid({ fill: (cell, id) => this.fill(cell, id), wanted: () => {} });
    this.grid.element.setAttribute("aria-label", "Models");
    this.grid.element.removeAttribute("aria-multiselectable");
    this.panel = modelPanel((work) => this.attempt(work));
    this.empty = el("div", { class: "history-empty", hidden: true });
    this.append(
      this.bar(),
      el("div", { class: "history-pictures" }, this.grid.element, this.empty, el("easel-message", { class: "models-message", tab: TAB })),
      this.panel.element,
    );
    this.grid.space.addEventListener("click", (event) => this.click(event));
    this.grid.element.addEventListener("keydown", (event) => this.key(event));
    shelf.addEventListener("list", ({ detail }) => this.list(detail));
    shelf.addEventListener("details", () => this.drawChosen());
    store.addEventListener("engine", () => this.grid.refill());
    shelf.addEventListener("problem", ({ detail }) => say(TAB, detail.message, detail.hint));
    new IntersectionObserver(([entry]) => shelf.show(entry.isIntersecting)).observe(this);
    this.drawChosen();
  }

  bar() {
    const tabs = KINDS.map(([kind, label]) =>
      el("button", { type: "button", class: "models-kind", "data-kind": kind, onclick: () => shelf.turnTo(kind) }, label),
    );
    let timer = null;
    const words = el("input", { type: "search", id: "models_words", placeholder: "Name, folder or trigger word", "aria-label": "Search models", autocomplete: "off", spellcheck: "false" });
    words.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => shelf.look({ words: words.value }), TYPING_PAUSE);
    });
    words.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" || !shelf.ids.length) return;
      event.preventDefault();
      this.grid.element.focus();
      this.chooseAt(0);
    });
    const folder = el("select", { id: "models_folder", "aria-label": "Folder" });
    folder.addEventListener("change", () => shelf.look({ folder: folder.value === "*" ? null : folder.value }));
    const orders = [["name", "By name"], ["newest", "Newest first"], ["oldest", "Oldest first"], ["largest", "Largest first"], ["family", "By family"]];
    const order = el("select", { id: "models_order", "aria-label": "Order" }, ...options(orders, shelf.search.order));
    order.addEventListener("change", () => shelf.look({ order: order.value }));
    this.fields = { words, folder, tabs };
    this.count = el("span", { class: "history-count", role: "status" });
    const refresh = iconButton("refresh", "Look for new files", () => this.attempt(() => ask("/api/models/refresh", {})));
    const get = iconButton("download", "Get models from the internet", openModelDownload, { id: "models_get" });
    const trash = iconButton("clear", "Models in the trash", () => openModelTrash(), { id: "models_trash" });
    return el(
      "div",
      { class: "history-bar models-bar", role: "search" },
      el("div", { class: "models-kinds", role: "group", "aria-label": "Kind of model" }, ...tabs),
      words,
      el("div", { class: "history-filters", "data-open": true }, folder, order, refresh, get, trash),
      this.count,
      downloadLine(),
      makingLine(),
    );
  }

  /** `anew`: others are looked for than before. */
  list(anew) {
    const { ids, all, kind, folders, search } = shelf;
    if (anew) this.grid.element.scrollTop = 0;
    for (const tab of this.fields.tabs) tab.setAttribute("aria-pressed", String(tab.dataset.kind === kind));
    offer(this.fields.folder, search.folder ?? "*", [["*", "All folders"], ...folders.map((path) => [path, path])]);
    this.fields.folder.hidden = !folders.length;
    setText(this.count, all ? counted(ids.length, all.length) : "Looking…");
    this.empty.hidden = !all || ids.length > 0;
    this.empty.replaceChildren(el("p", {}, all?.length ? "No model fits." : "There are no files of this kind yet."));
    this.grid.show(ids);
  }

  fill(cell, id) {
    const model = shelf.record(id);
    if (!model) return;
    const chosen = id === shelf.chosen;
    cell.setAttribute("aria-selected", String(chosen));
    cell.toggleAttribute("data-loaded", model.kind === "checkpoint" && isLoaded(model));
    if (cell.model === model) return;
    cell.model = model;
    cell.className = `cell model-cell${model.problem ? " model-problem" : ""}${model.preview ? "" : " model-plain"}`;
    cell.dataset.model = id;
    const kind = [model.family, model.variant].filter(Boolean).join(" ");
    cell.title = [fileName(model), model.folder, kind, size(model.size), !model.problem && USES[model.kind]].filter(Boolean).join("\n");
    cell.setAttribute("aria-label", model.name);
    const picture = model.preview
      ? el("img", { src: model.preview, alt: "", loading: "lazy", decoding: "async" })
      : el("span", { class: "model-letter", "aria-hidden": "true", style: `--tint: ${tint(model.name)}` }, initials(model.name));
    const what = [model.family, oddVariant(model)].filter(Boolean);
    if (model.problem && !what.length) what.push("not usable");
    if (!["safetensors", "folder"].includes(model.format)) what.push(model.format);
    const badge = `${model.problem ? "✕ " : ""}${what.join(" · ")}`;
    cell.replaceChildren(
      picture,
      badge && el("span", { class: "model-badge" }, badge),
      el("span", { class: "model-name" }, el("bdi", {}, model.name)),
      el("span", { class: "model-more icon icon-more", title: "What is known of it" }),
    );
  }

  click(event) {
    const cell = event.target.closest(".model-cell");
    say(TAB, "");
    if (!cell) return shelf.choose(null);
    shelf.choose(cell.dataset.model);
    if (!event.target.closest(".model-more")) this.use(cell.model);
  }

  use(model) {
    if (!USES[model.kind]) return;
    this.attempt(() => {
      if (model.problem) throw new Refused(`${model.name} cannot be used.`, "What is wrong with it stands in its panel.");
      return use(model);
    });
  }

  key(event) {
    const { ids, chosen } = shelf;
    const { columns, page } = this.grid;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page, Home: -ids.length, End: ids.length };
    const model = shelf.record(chosen);
    if (event.key in steps && ids.length) {
      this.chooseAt(chosen ? ids.indexOf(chosen) + steps[event.key] : this.grid.window(0)[0]);
    } else if (event.key === "Enter" && model) this.use(model);
    else if (event.key === "Escape") shelf.choose(null);
    else return;
    event.preventDefault();
  }

  /** Chooses the model at a place among those found, or the nearest there is. */
  chooseAt(at) {
    const { ids } = shelf;
    say(TAB, "");
    shelf.choose(ids[Math.min(ids.length - 1, Math.max(0, at))]);
    this.grid.reveal(shelf.chosen);
  }

  drawChosen() {
    this.toggleAttribute("data-choosing", shelf.chosen !== null);
    for (const cell of this.grid.cells.values()) cell.setAttribute("aria-selected", String(cell.dataset.model === shelf.chosen));
    this.panel.draw();
  }

  async attempt(work) {
    try {
      say(TAB, "");
      const note = await work();
      if (typeof note === "string") say(TAB, note, "", "note");
    } catch (refused) {
      say(TAB, refused.message, refused.hint ?? "");
    }
  }
}

function isLoaded(model) {
  return [model.name, fileName(model), pathOf(model)].includes(store.engine.model);
}

function counted(found, all) {
  const files = `${all.toLocaleString()} ${all === 1 ? "file" : "files"}`;
  return found === all ? files : `${found.toLocaleString()} of ${all.toLocaleString()}`;
}

/** What is worth saying beside the family: not "base", not the usual form of LoRA. */
function oddVariant({ variant }) {
  return ["base", "LoRA", ""].includes(variant) ? "" : variant;
}

function initials(name) {
  const parts = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  return (parts.length > 1 ? parts[0][0] + parts[1][0] : name.slice(0, 2)).toUpperCase();
}

function tint(name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) % 360;
  return hash;
}

customElements.define("easel-models", Models);
