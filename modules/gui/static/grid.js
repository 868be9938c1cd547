// A grid of small pictures, of which only those in sight are in the document: ten thousand scroll like fifty. Cells that
// leave on one side come in again on the other, so that scrolling neither makes nor removes elements.
import { el } from "./element.js";

const SIDE = 168; // pixels that a cell has at least on a wide window, and on a narrow one
const SIDE_NARROW = 104;
const NARROW = 620;
const GAP = 6;
const ROWS_BEYOND = 2; // drawn above and below what is in sight
const SCREENS_AHEAD = 1.5; // asked for above and below it
const STILL = 120; // milliseconds: pictures that fly past faster are not asked for

/** `fill(cell, id)` draws a cell; `wanted(ids)` hears which pictures are or soon will be in sight. */
export class Grid {
  ids = [];
  columns = 1;
  row = SIDE + GAP;
  cells = new Map();
  #spare = [];
  #frame = 0;
  #top = 0;
  #settling = 0;

  constructor({ fill, wanted }) {
    this.fill = fill;
    this.wanted = wanted;
    this.space = el("div", { class: "grid-space" });
    this.element = el(
      "div",
      { class: "grid", role: "listbox", tabindex: "0", "aria-multiselectable": "true", "aria-label": "Pictures" },
      this.space,
    );
    this.element.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.measure()).observe(this.element);
  }

  /** Shows other pictures; what is in sight stays where it is, unless that is the very top. */
  show(ids) {
    const { scrollTop } = this.element;
    const first = this.ids[Math.floor(scrollTop / this.row) * this.columns];
    const at = scrollTop > this.row / 2 ? ids.indexOf(first) : -1;
    const within = scrollTop % this.row;
    this.ids = ids;
    this.stretch();
    if (at >= 0) this.element.scrollTop = Math.floor(at / this.columns) * this.row + within;
    this.drawNow();
  }

  measure() {
    const width = this.space.clientWidth;
    if (!width) return;
    const first = this.ids[Math.round(this.element.scrollTop / this.row) * this.columns];
    const least = width < NARROW ? SIDE_NARROW : SIDE;
    this.columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
    this.side = Math.floor((width - GAP * (this.columns - 1)) / this.columns); // cards on parts of a pixel leave lines behind
    this.row = this.side + GAP;
    this.space.style.setProperty("--side", `${this.side}px`);
    this.stretch();
    if (first !== undefined && this.element.scrollTop > 0)
      this.element.scrollTop = Math.floor(this.ids.indexOf(first) / this.columns) * this.row;
    this.drawNow();
  }

  stretch() {
    this.space.style.height = `${Math.max(0, Math.ceil(this.ids.length / this.columns) * this.row - GAP)}px`;
  }

  /** Rows in sight and `rows` more on either side, as indices [from, to) of pictures. */
  window(rows) {
    const { scrollTop, clientHeight } = this.element;
    const from = Math.max(0, Math.floor(scrollTop / this.row) - rows) * this.columns;
    const to = (Math.ceil((scrollTop + clientHeight) / this.row) + rows) * this.columns;
    return [from, Math.min(this.ids.length, to)];
  }

  draw() {
    this.#frame ||= requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const { scrollTop, clientHeight } = this.element; // all is measured before anything is moved
    if (!clientHeight) return;
    const [from, to] = this.window(ROWS_BEYOND);
    const around = this.window(Math.ceil((SCREENS_AHEAD * clientHeight) / this.row));
    const inSight = new Set(this.ids.slice(from, to));
    for (const [id, cell] of this.cells) {
      if (inSight.has(id)) continue;
      this.cells.delete(id);
      this.#spare.push(cell);
    }
    for (let at = from; at < to; at += 1) this.#place(at);
    for (const cell of this.#spare.splice(0)) cell.remove();
    const flies = Math.abs(scrollTop - this.#top) > clientHeight;
    this.#top = scrollTop;
    clearTimeout(this.#settling);
    if (flies) this.#settling = setTimeout(() => this.drawNow(), STILL);
    else this.wanted(nearestFirst(this.ids, [from, to], around));
  }

  #place(at) {
    const id = this.ids[at];
    let cell = this.cells.get(id);
    if (!cell) {
      cell = this.#spare.pop();
      if (!cell) {
        cell = el("div", { class: "cell", role: "option" }, el("img", { alt: "", decoding: "async", draggable: "false" }));
        this.space.append(cell);
      }
      cell.id = `history_picture_${id}`;
      this.cells.set(id, cell);
    }
    const [x, y] = [(at % this.columns) * (this.side + GAP), Math.floor(at / this.columns) * this.row];
    set(cell, "style", `transform: translate(${x}px, ${y}px)`);
    set(cell, "aria-setsize", String(this.ids.length));
    set(cell, "aria-posinset", String(at + 1));
    this.fill(cell, id);
  }

  /** Draws the cells again that are there. */
  refill() {
    for (const [id, cell] of this.cells) this.fill(cell, id);
  }

  /** Scrolls as little as is needed for a picture to be seen. */
  reveal(id) {
    const at = this.ids.indexOf(id);
    if (at < 0) return;
    const top = Math.floor(at / this.columns) * this.row;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.side > scrollTop + clientHeight) this.element.scrollTop = top + this.side - clientHeight;
    this.drawNow();
    this.element.setAttribute("aria-activedescendant", `history_picture_${id}`);
  }

  /** How many pictures fit on a screen, in whole rows. */
  get page() {
    return Math.max(1, Math.floor(this.element.clientHeight / this.row)) * this.columns;
  }
}

function set(cell, name, value) {
  if (cell.getAttribute(name) !== value) cell.setAttribute(name, value);
}

/** The ids in sight, then those around. */
function nearestFirst(ids, [from, to], [before, after]) {
  return [...ids.slice(from, to), ...ids.slice(to, after), ...ids.slice(before, from)];
}
