// The models as the page knows them: the files of a kind, which of them are looked for, what is done with them.
import { ask } from "./server.js";
import { store } from "./store.js";
import { load, store as keep } from "./values.js";

const PAUSE = 150; // milliseconds in which news gather
const KEPT = "easel.models"; // what the browser remembers: the kind and the order

export const KINDS = [
  ["checkpoint", "Checkpoints"],
  ["LoRA", "LoRA"],
  ["embedding", "Embeddings"],
  ["VAE", "VAEs"],
  ["upscaler", "Upscalers"],
];
// How models that lie by name are sorted; null: as they lie.
const ORDERS = {
  name: null,
  newest: (a, b) => b.changed - a.changed,
  oldest: (a, b) => a.changed - b.changed,
  largest: (a, b) => b.size - a.size,
  family: (a, b) => inOrder(a.family, b.family),
};
const byName = (a, b) => inOrder(a.sorted, b.sorted);

/** The files of one kind as the server told them, by name; `all` is null until it did. */
class List {
  all = null;
  folders = [];
  byId = new Map();
  outdated = true;
  asking = false;

  take(models, folders) {
    this.all = models.map(findable).sort(byName);
    this.folders = withParents(folders);
    this.byId = new Map(this.all.map((model) => [model.id, model]));
  }

  /** Takes over what the details of a model say of its card; gives whether that is something new. */
  renew(details) {
    const before = this.byId.get(details.id);
    if (!before) return false;
    const told = Object.keys(before).filter((name) => name in details && name !== "problem");
    const model = { ...before, ...Object.fromEntries(told.map((name) => [name, details[name]])), problem: Boolean(details.problem) };
    if (JSON.stringify(model) === JSON.stringify(before)) return false;
    this.byId.set(model.id, findable(model));
    this.all[this.all.indexOf(before)] = model;
    return true;
  }
}

/** Tells `list` when other models are found (its detail: whether others are looked for), `details` when more is known
 *  of the chosen one, `problem` if refused. */
class Shelf extends EventTarget {
  kind = "checkpoint";
  ids = [];
  search = { words: "", folder: null, order: "name" };
  chosen = null;
  details = null;
  shown = false; // while nobody looks, nothing is asked for

  #lists = new Map(KINDS.map(([kind]) => [kind, new List()]));
  #detailing = null;
  #detailsOutdated = false;
  #timer = null;

  constructor() {
    super();
    const { kind, order } = load(KEPT);
    if (this.#lists.has(kind)) this.kind = kind;
    if (order in ORDERS) this.search.order = order;
  }

  /** All of the kind; null until they are known. */
  get all() {
    return this.#lists.get(this.kind).all;
  }

  get folders() {
    return this.#lists.get(this.kind).folders;
  }

  record(id) {
    return this.#lists.get(this.kind).byId.get(id) ?? null;
  }

  show(shown) {
    this.shown = shown;
    if (shown) this.#update();
  }

  turnTo(kind) {
    this.kind = kind;
    this.search.folder = null;
    this.choose(null);
    this.#keep();
    this.#find(true);
    this.#update();
  }

  look(search) {
    Object.assign(this.search, search);
    this.#keep();
    this.#find(true);
  }

  #keep() {
    keep(KEPT, { kind: this.kind, order: this.search.order });
  }

  /** Something may be different now. `what`: the model or the kind that is, "" for all. */
  changed(what) {
    if (what && what === this.chosen) return this.#fetchDetails();
    for (const [kind, list] of this.#lists) list.outdated ||= !what || kind === what || list.byId.has(what);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.shown && this.#update(), PAUSE);
  }

  #update() {
    if (this.#lists.get(this.kind).outdated) this.refresh();
  }

  /** Asks for the list; while an answer is awaited, for once more after it: a slow server must not be asked in vain. */
  async refresh(kind = this.kind) {
    const list = this.#lists.get(kind);
    list.outdated = true;
    if (list.asking) return;
    list.asking = true;
    try {
      while (list.outdated) {
        list.outdated = false;
        const { models, folders } = await ask(`/api/models/kinds/${encodeURIComponent(kind)}`);
        list.take(models, folders);
        if (kind === this.kind) this.#renewed();
      }
    } catch (refused) {
      list.outdated = true;
      return this.tell("problem", refused);
    } finally {
      list.asking = false;
    }
    this.#lookAhead();
  }

  /** Asks for the kinds that nobody looked at yet, so that they are there at once then. */
  #lookAhead() {
    const [next] = [...this.#lists].find(([, { all, asking }]) => !all && !asking) ?? [];
    if (next && this.shown) setTimeout(() => this.refresh(next), PAUSE);
  }

  #renewed() {
    if (this.chosen && !this.record(this.chosen)) this.choose(null);
    this.#find(false);
    if (this.chosen) this.#fetchDetails();
  }

  #find(anew) {
    const words = this.search.words.toLowerCase().split(/\s+/).filter(Boolean);
    const { folder, order } = this.search;
    const inside = (model) => folder === null || model.folder === folder || model.folder.startsWith(`${folder}/`);
    const fits = (this.all ?? []).filter((model) => inside(model) && words.every((word) => model.sought.includes(word)));
    if (ORDERS[order]) fits.sort(ORDERS[order]);
    this.ids = fits.map((model) => model.id);
    this.tell("list", anew);
  }

  choose(id) {
    if (this.chosen === id) return;
    this.chosen = id;
    this.details = null;
    this.tell("details");
    if (id) this.#fetchDetails();
  }

  #fetchDetails() {
    this.#detailsOutdated = true;
    this.#detailing ??= this.#askForDetails();
  }

  /** One question at a time, and once more when there was news meanwhile: `discard` must know of the last of them. */
  async #askForDetails() {
    try {
      while (this.#detailsOutdated && this.chosen) {
        this.#detailsOutdated = false;
        const id = this.chosen;
        const details = await ask(`/api/models/${id}`).catch(() => null);
        if (details && id === this.chosen) this.know(details);
      }
    } finally {
      this.#detailing = null;
    }
  }

  /** Moves the chosen model to the trash. It is let go first: of a file that is gone, nothing must be asked. */
  async discard() {
    const id = this.chosen;
    this.choose(null);
    await this.#detailing;
    await ask(`/api/models/${id}/trash`, {}).catch((refused) => {
      this.choose(id);
      throw refused;
    });
  }

  know(details) {
    this.details = details;
    if (this.#lists.get(this.kind).renew(details)) this.#find(false);
    this.tell("details");
  }

  tell(kind, detail = null) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}

const inOrder = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** How names are compared: by numbers, not by digits; without case and accents. An Intl.Collator needs 20 times as long. */
function sortable(name) {
  return name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/\d+/g, (number) => number.padStart(12, "0"));
}

function findable(model) {
  model.sorted = sortable(model.name);
  model.sought = `${model.name} ${model.folder} ${model.words} ${model.family} ${model.format} ${model.hash}`.toLowerCase();
  return model;
}

/** Folders that hold only folders are folders too. */
function withParents(folders) {
  const all = new Set();
  for (const folder of folders.filter(Boolean)) {
    const parts = folder.split("/");
    parts.forEach((_, at) => all.add(parts.slice(0, at + 1).join("/")));
  }
  return [...all].sort((a, b) => inOrder(sortable(a), sortable(b)));
}

export const shelf = new Shelf();
store.addEventListener("models", ({ detail }) => shelf.changed(detail?.id ?? ""));

export const fileName = ({ name, format }) => (format === "folder" ? name : `${name}.${format}`);
/** Below the models folder. */
export const pathOf = (model) => [model.folder, fileName(model)].filter(Boolean).join("/");

export function size(bytes) {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toLocaleString([], { maximumFractionDigits: power > 2 ? 2 : power && 1 })} ${units[power]}`;
}
