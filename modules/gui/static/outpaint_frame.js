// The marks over a picture that is inpainted: the frame that carries it on when it is dragged, the part that is painted.
import { el } from "./element.js";
import { ask } from "./server.js";
import { apply, form } from "./values.js";

const PAUSE = 250; // ms without a change after which the server is asked for the part
const PART = ["init_image", "mask", "mask_mode", "mask_blur", "mask_blur_y", "inpaint_area", "inpaint_full_res_padding", "width", "height"];
const SIDES = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };
const names = Object.keys(SIDES).map((side) => `outpaint_${side}`);

export const ONLY_MASKED = "Only masked";
export const NOTHING_ADDED = Object.fromEntries(names.map((name) => [name, 0]));

export class Frame {
  crop = null; // in the picture's pixels
  #asked = null;
  #asking = null;
  #sides = "0,0,0,0";

  constructor(source) {
    this.source = source;
    this.part = el("i", { class: "board-part", hidden: true, title: "The part that is painted" });
    this.element = el("div", { class: "board-frame", hidden: true }, ...Object.keys(SIDES).map((side) => this.#handle(side)));
  }

  get #values() {
    return form(this.source.tab).values;
  }

  /** Pixels that outpainting adds on each side. */
  added() {
    return Object.fromEntries(Object.keys(SIDES).map((side) => [side, this.#values[`outpaint_${side}`] || 0]));
  }

  hide() {
    this.element.hidden = this.part.hidden = true;
  }

  draw() {
    const { input, masks } = this.source;
    if (masks) {
      const { left, right, up, down } = this.added();
      this.element.hidden = false;
      this.element.classList.toggle("board-frame-wide", Boolean(left || right || up || down));
      this.#put(this.element, -left, -up, input.width + right, input.height + down);
    }
    this.part.hidden = !this.crop;
    if (!this.crop) return;
    const { left, top, right, bottom } = this.crop;
    this.#put(this.part, left, top, right, bottom);
  }

  #put(element, left, top, right, bottom) {
    const { sight } = this.source;
    const [from, to] = [sight.place(left, top), sight.place(right, bottom)];
    Object.assign(element.style, {
      left: `${from.left}px`,
      top: `${from.top}px`,
      width: `${to.left - from.left}px`,
      height: `${to.top - from.top}px`,
    });
  }

  #handle(side) {
    const handle = el("i", { class: `board-handle board-handle-${side}`, title: `Drag to carry the picture on (${side})` });
    handle.addEventListener("pointerdown", (event) => this.#drag(side, event));
    return handle;
  }

  #drag(side, event) {
    event.preventDefault();
    event.stopPropagation();
    const { tab, sight } = this.source;
    const name = `outpaint_${side}`;
    const [dx, dy] = SIDES[side];
    const start = { value: this.#values[name] ?? 0, x: event.clientX, y: event.clientY };
    const perPixel = sight.ratio / sight.scale;
    const move = (now) => {
      const pulled = ((now.clientX - start.x) * dx + (now.clientY - start.y) * dy) * perPixel;
      const value = Math.max(0, Math.min(4096, Math.round((start.value + pulled) / 8) * 8));
      if (value === this.#values[name]) return;
      this.#values[name] = value; // shown at once; the widget follows when the drag ends
      if (this.#overflows(side)) this.source.fit();
      this.source.drawMarks();
    };
    const up = () => {
      removeEventListener("pointermove", move);
      apply(tab, { [name]: this.#values[name] });
      this.source.fit();
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", up, { once: true });
  }

  /** Brings the whole frame into view when it has become another one. */
  refit() {
    const sides = this.source.input && this.source.masks ? Object.values(this.added()).join() : "";
    if (sides === this.#sides) return;
    this.#sides = sides;
    this.source.fit();
  }

  /** Whether a side of the frame lies out of the view. */
  #overflows(side) {
    const { input, sight, board } = this.source;
    const { left, right, up, down } = this.added();
    const [from, to] = [sight.place(-left, -up), sight.place(input.width + right, input.height + down)];
    return { left: from.left < 0, up: from.top < 0, right: to.left > board.clientWidth, down: to.top > board.clientHeight }[side];
  }

  /** Asks which part would be painted when only the masked part is. */
  askPart() {
    if (!this.source.masks) return;
    const values = this.#values;
    if (!values.mask || values.inpaint_area !== ONLY_MASKED) {
      this.crop = this.#asked = null;
      this.part.hidden = true;
      return;
    }
    const sent = Object.fromEntries([...PART, ...names].map((name) => [name, values[name]]));
    const asked = JSON.stringify(sent);
    if (asked === this.#asked) return;
    this.#asked = asked;
    clearTimeout(this.#asking);
    this.#asking = setTimeout(async () => {
      const crop = await ask("/api/inputs/crop", sent).catch(() => null);
      if (this.#asked !== asked) return;
      const { left, up } = this.added(); // the answer counts from the corner of the larger picture
      const { left: from, top, right, bottom } = crop ?? {};
      this.crop = crop && { left: from - left, top: top - up, right: right - left, bottom: bottom - up };
      this.source.drawMarks();
    }, PAUSE);
  }
}
