// The history as the page knows it: which pictures a search finds, what is known of each, and what is done with them.
import { ask } from "./server.js";
import { store } from "./store.js";

const AT_ONCE = 200; // records asked for together
const MOST_KNOWN = 5000;
const PAUSE = 200; // milliseconds in which changes gather before the list is asked for anew

export const EVERYTHING = { words: "", model: "", seed: "", from: "", to: "", starred: false, trashed: false, folder: "" };

/** Tells `list` when other pictures are found, `records` when more is known of them, `problem` with what was refused. */
class Library extends EventTarget {
  ids = [];
  facts = { pictures: 0, trashed: 0, starred: 0, models: [], folders: [] };
  search = { ...EVERYTHING };
  loaded = false;
  shown = false; // while nobody looks, nothing is asked for
  outdated = true;

  #records = new Map(); // null: there is no such picture any more
  #stale = new Set();
  #wanted = [];
  #asking = false;
  #round = 0;
  #timer = null;
  #loading = null;

  record(id) {
    return this.#records.get(id) ?? null;
  }

  show(shown) {
    this.shown = shown;
    if (shown && this.outdated) this.refresh();
  }

  look(search) {
    this.search = { ...this.search, ...search };
    this.refresh();
  }

  /** Something may be different now. */
  changed() {
    this.outdated = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.shown && this.refresh(), PAUSE);
  }

  /** Asks for the list anew; done when the newest answer is there, whoever asked for it. */
  async refresh() {
    this.#loading = this.#load();
    for (let seen = null; seen !== this.#loading; ) await (seen = this.#loading);
  }

  async #load() {
    const round = (this.#round += 1);
    this.outdated = false;
    try {
      const [found, facts] = await Promise.all([ask(`/api/library/ids?${query(this.search)}`), ask("/api/library")]);
      if (round !== this.#round) return;
      if (this.#records.size > MOST_KNOWN) this.#records.clear();
      this.#stale = new Set(this.#records.keys());
      Object.assign(this, { ids: found.ids, facts, loaded: true });
      this.tell("list");
    } catch (refused) {
      this.outdated = true;
      this.tell("problem", refused);
    }
  }

  /** Has the records of these pictures come; of requests made meanwhile, the last counts. */
  async need(ids) {
    this.#wanted = ids;
    if (this.#asking) return;
    this.#asking = true;
    try {
      for (let lacking = this.#lacking(); lacking.length; lacking = this.#lacking()) await this.#fetch(lacking);
    } catch (refused) {
      this.tell("problem", refused);
    } finally {
      this.#asking = false;
    }
  }

  #lacking() {
    return this.#wanted.filter((id) => !this.#records.has(id) || this.#stale.has(id)).slice(0, AT_ONCE);
  }

  async #fetch(ids) {
    const { pictures } = await ask(`/api/library/pictures?ids=${ids.join(",")}`);
    for (const id of ids) {
      this.#records.set(id, null);
      this.#stale.delete(id);
    }
    for (const picture of pictures) this.#records.set(picture.id, picture);
    this.tell("records");
  }

  /** One picture's record, asked for when it is not known. */
  async fetched(id) {
    if (!this.#records.get(id)) await this.#fetch([id]);
    return this.record(id);
  }

  async star(ids, starred) {
    await ask("/api/library/star", { pictures: ids, starred });
    for (const id of ids) if (this.record(id)) this.#records.set(id, { ...this.record(id), starred });
    this.tell("records");
  }

  /** Moves pictures into the trash, or out of it. Gives {pictures, problems}. */
  async move(ids, what) {
    const answer = await ask(`/api/library/${what}`, { pictures: ids });
    const moved = new Set(answer.pictures);
    this.ids = this.ids.filter((id) => !moved.has(id));
    this.tell("list");
    this.changed();
    return answer;
  }

  tell(kind, detail = null) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}

export const library = new Library();
for (const kind of ["library", "recent"]) store.addEventListener(kind, () => library.changed());

/** A search as the server takes it. Days are those of the person's own clock. */
function query({ words, model, seed, from, to, starred, trashed, folder }) {
  const asked = new URLSearchParams();
  if (words.trim()) asked.set("words", words.trim());
  if (model) asked.set("model", model);
  if (/^-?\d+$/.test(seed.trim())) asked.set("seed", seed.trim());
  if (from) asked.set("since", new Date(`${from}T00:00`).getTime() / 1000);
  if (to) asked.set("until", dayAfter(to).getTime() / 1000);
  if (starred) asked.set("starred", "true");
  if (trashed) asked.set("trashed", "true");
  if (folder) asked.set("folder", folder);
  return asked;
}

function dayAfter(day) {
  const next = new Date(`${day}T00:00`);
  next.setDate(next.getDate() + 1);
  return next;
}
