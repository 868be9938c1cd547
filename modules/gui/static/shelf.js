// The models as the page knows them: the files of a kind, which of them are looked for, what is done with them.
import { ask } from "./server.js";
import { store } from "./store.js";

const PAUSE = 150; // milliseconds in which news gather

export const KINDS = [
  ["checkpoint", "Checkpoints"],
  ["LoRA", "LoRA"],
  ["embedding", "Embeddings"],
  ["VAE", "VAEs"],
  ["upscaler", "Upscalers"],
];
const ORDERS = {
  name: (a, b) => collator.compare(a.name, b.name),
  newest: (a, b) => b.changed - a.changed,
  oldest: (a, b) => a.changed - b.changed,
  largest: (a, b) => b.size - a.size,
  family: (a, b) => collator.compare(a.family, b.family) || collator.compare(a.name, b.name),
};
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** Tells `list` when other models are found, `details` when more is known of the chosen one, `problem` if refused. */
class Shelf extends EventTarget {
  kind = "checkpoint";
  all = [];
  folders = [];
  ids = [];
  search = { words: "", folder: null, order: "name" };
  chosen = null;
  details = null;
  shown = false; // while nobody looks, nothing is asked for

  #byId = new Map();
  #outdated = true;
  #asking = false;
  #detailing = Promise.resolve();
  #timer = null;

  record(id) {
    return this.#byId.get(id) ?? null;
  }

  show(shown) {
    this.shown = shown;
    if (shown && this.#outdated) this.refresh();
  }

  turnTo(kind) {
    this.kind = kind;
    this.search.folder = null;
    this.choose(null);
    return this.refresh();
  }

  look(search) {
    Object.assign(this.search, search);
    this.#find();
  }

  /** Something may be different now. `id`: only this model's hash, "" for files or cards. */
  changed(id) {
    if (id && id === this.chosen) this.#fetchDetails();
    if (id && !this.shown) return;
    this.#outdated = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.shown && this.refresh(), PAUSE);
  }

  /** Asks for the list; while an answer is awaited, for once more after it: a slow server must not be asked in vain. */
  async refresh() {
    this.#outdated = true;
    if (this.#asking) return;
    this.#asking = true;
    try {
      while (this.#outdated) {
        this.#outdated = false;
        await this.#fetchList(this.kind);
      }
    } catch (refused) {
      this.#outdated = true;
      this.tell("problem", refused);
    } finally {
      this.#asking = false;
    }
  }

  async #fetchList(kind) {
    const { models, folders } = await ask(`/api/models/kinds/${encodeURIComponent(kind)}`);
    if (kind !== this.kind) return;
    for (const model of models) model.sought = `${model.name} ${model.folder} ${model.words} ${model.family}`.toLowerCase();
    Object.assign(this, { all: models, folders });
    this.#byId = new Map(models.map((model) => [model.id, model]));
    if (this.chosen && !this.#byId.has(this.chosen)) this.choose(null);
    this.#find();
    if (this.chosen) this.#fetchDetails();
  }

  #find() {
    const words = this.search.words.toLowerCase().split(/\s+/).filter(Boolean);
    const { folder, order } = this.search;
    const inside = (model) => folder === null || model.folder === folder || model.folder.startsWith(`${folder}/`);
    const fits = this.all.filter((model) => inside(model) && words.every((word) => model.sought.includes(word)));
    this.ids = fits.sort(ORDERS[order]).map((model) => model.id);
    this.tell("list");
  }

  choose(id) {
    if (this.chosen === id) return;
    this.chosen = id;
    this.details = null;
    this.tell("details");
    if (id) this.#fetchDetails();
  }

  #fetchDetails() {
    const id = this.chosen;
    this.#detailing = ask(`/api/models/${id}`)
      .then((details) => id === this.chosen && this.know(details))
      .catch(() => {});
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
    this.tell("details");
  }

  tell(kind, detail = null) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}

export const shelf = new Shelf();
store.addEventListener("models", ({ detail }) => shelf.changed(detail?.id ?? ""));

/** The name of a model's file; a diffusers folder's has no ending. */
export const fileName = ({ name, format }) => (format === "folder" ? name : `${name}.${format}`);

export function size(bytes) {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toLocaleString([], { maximumFractionDigits: power > 2 ? 2 : power && 1 })} ${units[power]}`;
}
