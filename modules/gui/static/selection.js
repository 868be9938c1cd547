// Which pictures are chosen, and where the keyboard stands. Tells `change`.
export class Selection extends EventTarget {
  ids = [];
  chosen = new Set();
  cursor = null;
  touched = false; // whether the pointer is a finger: taps open pictures then, and holding chooses them
  #anchor = null;

  /** The list that is chosen from; what is no longer in it is not chosen any more. */
  among(ids) {
    const before = this.ids.indexOf(this.cursor);
    const there = new Set(ids);
    this.ids = ids;
    this.chosen = new Set([...this.chosen].filter((id) => there.has(id)));
    if (!there.has(this.#anchor)) this.#anchor = null;
    if (this.cursor != null && !there.has(this.cursor)) this.cursor = ids[Math.min(before, ids.length - 1)] ?? null;
    this.#changed();
  }

  /** In the order of the list. */
  get list() {
    return this.chosen.size > 1 ? this.ids.filter((id) => this.chosen.has(id)) : [...this.chosen];
  }

  only(id) {
    this.chosen = new Set([id]);
    this.#anchor = this.cursor = id;
    this.#changed();
  }

  toggle(id) {
    if (!this.chosen.delete(id)) this.chosen.add(id);
    this.#anchor = this.cursor = id;
    this.#changed();
  }

  /** All from the picture that was chosen last to this one. */
  reach(id) {
    this.#anchor ??= this.cursor ?? id;
    const [from, to] = [this.ids.indexOf(this.#anchor), this.ids.indexOf(id)].sort((a, b) => a - b);
    this.chosen = new Set(this.ids.slice(Math.max(0, from), to + 1));
    this.cursor = id;
    this.#changed();
  }

  all() {
    this.chosen = new Set(this.ids);
    this.#changed();
  }

  none() {
    this.chosen = new Set();
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
