// The picture to start from, and what is painted on it: a mask, or colours. Its pixels stay in the browser while somebody
// paints; when Generate is pressed, or the hand rests, what was painted is stored once and the widgets get its id.
import { dropDraft, keepDraft, readDraft } from "./drafts.js";
import { takeFiles } from "./dropping.js";
import { el, setText } from "./element.js";
import { beforeGenerate, generated } from "./generate.js";
import { dragView, pinchView } from "./gestures.js";
import { showLook } from "./looks.js";
import { say } from "./message.js";
import { Frame, NOTHING_ADDED, ONLY_MASKED } from "./outpaint_frame.js";
import { greyOf, maskFile, pixelsOf, sketchFile } from "./painted_files.js";
import { keysHelp, paintingBar } from "./painting_bar.js";
import { Raster } from "./raster.js";
import { registerTarget } from "./send.js";
import { ask, upload } from "./server.js";
import { Sight } from "./sight.js";
import { startTool, TOOLS } from "./tools.js";
import { apply, changes, form, load, store } from "./values.js";

const DRAFT = 300; // ms without a stroke after which the browser keeps what was painted, should the page go away
const REST = 2500; // ms without a stroke after which what was painted is stored
const KEY = "easel.brush";
const sources = new Map();

class Source extends HTMLElement {
  connectedCallback() {
    if (this.board) return;
    this.tab = this.getAttribute("tab");
    this.masks = this.tab === "inpaint";
    this.tool = "brush";
    this.brush = { size: 60, hardness: 0.8, colour: "#e53935", tint: "#e53935", opacity: 0.55, tolerance: 24, ...load(KEY) };
    this.sketching = !this.masks;
    sources.set(this.tab, this);
    this.build();
    this.sight = new Sight(this.lower, this.upper);
    this.sight.drawn = () => this.drawMarks();
    Object.assign(this.sight, { opacity: this.brush.opacity, tint: rgb(this.brush.tint) });
    this.listen();
    this.choose("brush");
    changes.addEventListener("values", ({ detail }) => detail === this.tab && this.follow());
    new ResizeObserver(() => this.resized()).observe(this.board);
    beforeGenerate(this.tab, () => this.keep());
    generated.addEventListener("pressed", ({ detail }) => detail === this.tab && this.pressed());
    this.look("source");
  }

  build() {
    this.file = el("input", { type: "file", accept: "image/*", hidden: true, onchange: () => this.bring([...this.file.files]) });
    this.file.multiple = !this.masks;
    this.lower = el("canvas", { class: "board-picture", "aria-hidden": "true" });
    this.upper = el("canvas", { class: "board-paint", id: `${this.tab}_canvas`, "aria-label": "What is painted" });
    this.ring = el("i", { class: "brush-ring", hidden: true });
    this.outline = el("canvas", { class: "board-outline", "aria-hidden": "true" });
    this.frame = new Frame(this);
    this.bar = paintingBar(this);
    this.keys = keysHelp();
    this.invite = el(
      "button",
      { type: "button", class: "board-invite", onclick: () => this.file.click() },
      el("strong", {}, this.masks ? "Drop the picture to inpaint here" : "Drop a picture to start from here"),
      el("span", {}, "or paste it with Ctrl+V, or click to choose a file"),
    );
    this.board = el(
      "div",
      { class: "board", id: `${this.tab}_image`, tabindex: "0", "aria-label": "Picture to start from" },
      this.lower,
      this.upper,
      this.outline,
      this.frame.part,
      this.frame.element,
      this.ring,
      this.invite,
    );
    this.facts = el("span", { class: "source-facts" });
    this.append(this.file, this.bar.element, this.board, el("p", { class: "source-foot" }, this.facts, this.keys.element));
  }

  // --- which picture

  /** Shows a stored picture: {id, width, height, url}. Sets the size widgets to fit it. */
  async take(input) {
    await this.put(input);
    const size = this.sizeFor(input);
    apply(this.tab, { init_image: input.id, ...size, ...(this.masks ? { mask: "", ...NOTHING_ADDED } : {}) });
    if (size.inpaint_area)
      say(this.tab, "Only the masked part will be painted; the picture keeps its size.", "It is larger than the model paints at once.", "note");
    this.look("source");
    this.board.focus({ preventScroll: true });
  }

  async put(input) {
    const answer = await fetch(input.url);
    const bitmap = await createImageBitmap(await answer.blob());
    this.input = input;
    this.id = input.id;
    this.pixels_ = null;
    this.mask = this.masks ? new Raster(bitmap.width, bitmap.height) : null;
    this.colours = null;
    this.order = [];
    this.orderUndone = [];
    Object.assign(this.sight, { mask: this.mask, colours: null });
    this.dirty = { mask: false, colours: false };
    this.classList.add("has-picture");
    this.invite.hidden = true;
    await this.sight.show(bitmap);
    this.tellFacts();
    if (this.masks) await this.bar.automatic.look();
  }

  /** Brings files in: uploads them, and shows what the server made of the first. Several become a batch. */
  async bring(files) {
    this.file.value = "";
    if (!files.length) return;
    try {
      say(this.tab, "");
      const inputs = [];
      for (const file of this.masks ? files.slice(0, 1) : files) inputs.push(await upload("/api/inputs", file));
      await this.take(inputs[0]);
      if (inputs.length < 2) return;
      apply(this.tab, { batch_files: inputs.map(({ id }) => id).join("\n") });
      say(this.tab, `${inputs.length} pictures will be painted in turn.`, "Their list stands below, under Files to start from.", "note");
    } catch (refused) {
      say(this.tab, refused.message, refused.hint);
    }
  }

  async bringMask(file) {
    if (!file || !this.input) return;
    try {
      say(this.tab, "");
      const { width, height, url } = await upload("/api/inputs", file);
      if (width !== this.input.width || height !== this.input.height) {
        const [is, be] = [`${width} × ${height}`, `${this.input.width} × ${this.input.height}`];
        say(this.tab, `The mask is ${is} pixels, but the picture is ${be}.`, "Choose a mask of the picture's size.");
        return;
      }
      await this.useMask(url);
    } catch (refused) {
      say(this.tab, refused.message, refused.hint);
    }
  }

  /** Has an extension make the mask. */
  async makeMask(name) {
    try {
      say(this.tab, "");
      await this.useMask((await ask("/api/inputs/mask", { name, init_image: this.input.id })).url);
    } catch (refused) {
      say(this.tab, refused.message, refused.hint);
    }
  }

  /** A stored mask of the picture's size takes the place of what is masked, as one step. */
  async useMask(url) {
    const { width, height } = this.input;
    const values = await greyOf(url);
    this.whole((mask) => (mask.write(mask.touch(0, 0, width, height), values), { x: 0, y: 0, w: width, h: height }));
  }

  /** The widgets say another picture or mask than is shown: after a reload, or settings that were taken over. */
  async follow() {
    const { init_image: id, mask } = form(this.tab).values;
    this.frame.refit();
    this.drawMarks();
    if (this.following || id === undefined) return;
    if ((id || "") === (this.id ?? "")) return void this.frame.askPart();
    this.following = true;
    try {
      if (!id) this.forget();
      else {
        await this.put(await ask(`/api/inputs/${encodeURIComponent(id)}`));
        if (this.masks && mask) await this.putMask(mask);
        await this.putDraft(id);
      }
    } catch (refused) {
      this.id = id;
      say(this.tab, refused.message, refused.hint ?? "Choose the picture again.");
    } finally {
      this.following = false;
    }
  }

  async putMask(id) {
    const values = await greyOf(`/inputs/${encodeURIComponent(id)}`);
    if (values.length !== this.mask.data.length) return;
    this.mask.data.set(values);
    this.sight.draw();
    this.frame.askPart();
  }

  /** What was painted before a reload and not stored yet. */
  async putDraft(id) {
    const draft = await readDraft(this.tab);
    if (!draft || draft.id !== id || id !== this.id) return;
    if (draft.mask && this.mask) this.mask.data.set(draft.mask);
    if (draft.colours) {
      this.colours = this.sight.colours = new Raster(this.input.width, this.input.height, 4);
      this.colours.data.set(draft.colours);
    }
    this.sight.draw();
    this.touched([draft.mask && this.mask, this.colours].filter(Boolean));
  }

  removePicture() {
    dropDraft(this.tab);
    this.forget();
    apply(this.tab, { init_image: "", ...(this.masks ? { mask: "" } : {}) });
  }

  forget() {
    this.input = this.mask = this.colours = null;
    this.id = "";
    this.sight.bitmap = null;
    this.lower.width = this.upper.width = 1;
    this.classList.remove("has-picture");
    this.invite.hidden = false;
    this.frame.hide();
    setText(this.facts, "");
  }

  /** The size to paint at: the picture's own, in steps of eight. One that is larger than the model can paint comes down
   *  to that for img2img; on the Inpaint tab it stays as large as it is, and only its masked part is painted. */
  sizeFor({ width, height }) {
    const { filled } = form(this.tab);
    const native = (filled.width ?? 512) * (filled.height ?? 512);
    const most = 2 * native;
    const large = width * height > most;
    const shrink = large ? Math.sqrt((this.masks ? native : most) / (width * height)) : 1;
    const side = (pixels) => Math.max(64, Math.round((pixels * shrink) / 8) * 8);
    const part = this.masks && large ? { inpaint_area: ONLY_MASKED } : {};
    return { width: side(width), height: side(height), ...part };
  }

  tellFacts() {
    const { width, height } = this.input;
    const zoom = Math.round((this.sight.scale / this.sight.ratio) * 100);
    setText(this.facts, `${width} × ${height} · ${zoom}%`);
  }

  // --- painting

  choose(tool) {
    this.tool = tool;
    this.bar.choose(tool);
    this.dataset.tool = this.board.dataset.tool = tool;
  }

  setBrush(values) {
    Object.assign(this.brush, values);
    this.brush.size = Math.min(600, Math.max(1, this.brush.size));
    store(KEY, this.brush);
    this.bar.brushed(this.brush);
    Object.assign(this.sight, { opacity: this.brush.opacity, tint: rgb(this.brush.tint) });
    if ("opacity" in values || "tint" in values) this.sight.draw();
    this.drawRing();
  }

  /** The rasters that the tool paints on, with their inks. An eraser rubs out of both. */
  layers() {
    const ink = rgb(this.brush.colour);
    if (this.sketching && !this.colours && this.tool !== "eraser") {
      this.colours = this.sight.colours = new Raster(this.input.width, this.input.height, 4);
    }
    const inked = this.colours && (this.sketching || this.tool === "eraser") ? [[this.colours, ink]] : [];
    return this.mask ? [[this.mask, 255], ...inked] : inked;
  }

  listen() {
    const { upper } = this;
    upper.addEventListener("pointerdown", (event) => this.down(event));
    upper.addEventListener("pointermove", (event) => this.drawRing(event));
    upper.addEventListener("pointerleave", () => (this.ring.hidden = true));
    this.board.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.board.addEventListener("keydown", (event) => this.key(event));
    this.board.addEventListener("keyup", (event) => event.key === " " && delete this.board.dataset.held);
    this.board.addEventListener("blur", () => delete this.board.dataset.held);
    takeFiles(this, this.tab, (files) => this.bring(files));
    document.addEventListener("visibilitychange", () => document.hidden && this.keep().catch(() => {}));
    this.fingers = new Map();
  }

  down(event) {
    if (!this.input) return;
    this.board.focus({ preventScroll: true });
    this.fingers.set(event.pointerId, event);
    this.upper.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch" && this.fingers.size > 1) return this.fingers.size === 2 ? this.pinch() : undefined;
    if (event.button === 1 || this.tool === "hand" || this.board.dataset.held) {
      return dragView(this.upper, this.sight, event, () => this.fingers.delete(event.pointerId));
    }
    if (event.button !== 0) return this.fingers.delete(event.pointerId);
    this.paint(event);
  }

  paint(event) {
    const point = (from) => ({ ...this.sight.at(from), pressure: pressureOf(from) });
    const { size, hardness, tolerance } = this.brush;
    const options = { size, hardness, tolerance, pixels: () => this.pixels() };
    const running = this.layers().map(([raster, ink]) => ({
      raster,
      stroke: startTool(this.tool, point(event), { ...options, raster, ink }),
    }));
    for (const { stroke } of running) this.sight.painted(stroke.box);
    const move = (now) => {
      if (now.pointerId !== event.pointerId) return;
      for (const one of now.getCoalescedEvents?.() ?? [now]) {
        for (const { stroke } of running) this.sight.painted(stroke.move(point(one)));
      }
      this.drawOutline(running[0]?.stroke.outline());
    };
    const finish = (now) => {
      if (now && now.pointerId !== event.pointerId) return false;
      this.stopPainting = null;
      this.fingers.delete(event.pointerId);
      this.upper.removeEventListener("pointermove", move);
      for (const kind of ["pointerup", "pointercancel"]) this.upper.removeEventListener(kind, finish);
      const changed = running.filter(({ stroke }) => {
        const { box, changed } = stroke.end();
        this.sight.painted(box);
        return changed;
      });
      this.drawOutline(null);
      if (changed.length) this.painted(changed.map(({ raster }) => raster));
      return changed.length > 0;
    };
    this.stopPainting = finish;
    this.upper.addEventListener("pointermove", move);
    for (const kind of ["pointerup", "pointercancel"]) this.upper.addEventListener(kind, finish);
  }

  /** Notes a finished step on these rasters. */
  painted(rasters) {
    this.order.push(rasters);
    this.orderUndone = [];
    this.touched(rasters);
  }

  touched(rasters) {
    if (rasters.includes(this.mask)) this.dirty.mask = true;
    if (rasters.includes(this.colours)) this.dirty.colours = true;
    clearTimeout(this.drafting);
    this.drafting = setTimeout(() => this.draft(), DRAFT);
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.keep().catch((refused) => say(this.tab, refused.message, refused.hint)), REST);
  }

  /** Has the browser keep what the server does not have yet. */
  draft() {
    const { id, mask, colours, dirty } = this;
    if (!this.input || !(dirty.mask || dirty.colours)) return;
    keepDraft(this.tab, { id, mask: dirty.mask ? mask.data : null, colours: dirty.colours ? colours.data : null });
  }

  undo() {
    this.turn(this.order, this.orderUndone, "undo");
  }

  redo() {
    this.turn(this.orderUndone, this.order, "redo");
  }

  turn(from, to, how) {
    const rasters = from?.pop();
    if (!rasters) return;
    for (const raster of rasters) this.sight.painted(raster[how]());
    to.push(rasters);
    this.touched(rasters);
  }

  /** Does something to the whole mask, as one step. */
  whole(does) {
    if (!this.mask) return;
    this.mask.begin();
    this.sight.painted(does(this.mask));
    if (this.mask.end()) this.painted([this.mask]);
  }

  clear() {
    if (!this.input) return;
    const rasters = [this.mask, this.colours].filter(Boolean);
    for (const raster of rasters) {
      raster.begin();
      this.sight.painted(raster.fill(0));
      raster.end();
    }
    if (rasters.length) this.painted(rasters);
  }

  /** The picture's pixels, for tools that look at colours. */
  pixels() {
    this.pixels_ ??= pixelsOf(this.sight.bitmap);
    return this.pixels_;
  }

  // --- storing what was painted

  /** Stores mask and colours if they changed, and has the widgets name them. */
  keep() {
    this.keeping = (this.keeping ?? Promise.resolve()).catch(() => {}).then(() => this.keepNow());
    return this.keeping;
  }

  async keepNow() {
    clearTimeout(this.resting);
    if (!this.input || !(this.dirty.mask || this.dirty.colours)) return;
    const { mask, colours, dirty } = this;
    this.dirty = { mask: false, colours: false };
    try {
      const wanted = {};
      if (dirty.mask) wanted.mask = mask.empty ? "" : (await upload("/api/inputs", await maskFile(mask))).id;
      if (dirty.colours) {
        const painted = !colours.empty;
        wanted.init_image = painted ? (await upload("/api/inputs", await sketchFile(this.sight.bitmap, this.colours))).id : this.input.id;
        this.id = wanted.init_image;
      }
      apply(this.tab, wanted);
      await arrived(this.tab, wanted);
      clearTimeout(this.drafting);
      if (!(this.dirty.mask || this.dirty.colours)) dropDraft(this.tab);
    } catch (refused) {
      this.dirty = { mask: dirty.mask || this.dirty.mask, colours: dirty.colours || this.dirty.colours };
      throw refused;
    }
  }

  /** Generate was pressed. Without a mask the whole picture is painted, which may not be what was meant. */
  pressed() {
    this.look("result");
    const whole = this.masks && this.input && this.mask.empty && !Object.values(this.frame.added()).some(Boolean);
    if (whole && !form(this.tab).values.batch_files) say(this.tab, "Nothing is masked: the whole picture is painted.", "", "note");
  }

  // --- the view

  look(view) {
    showLook(this, view);
  }

  resized() {
    if (!this.sight.bitmap || !this.board.clientWidth) return;
    this.fit();
  }

  /** Shows the whole picture, with what the frame adds to it. */
  fit() {
    this.sight.fit(this.frame.added());
  }

  wheel(event) {
    if (!this.input) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 30 : 1);
    this.sight.zoomAt(1.0018 ** -pixels, event.clientX, event.clientY);
    this.drawRing(event);
  }

  /** Two fingers zoom and move; the dab that the first one began is taken back. */
  pinch() {
    if (this.stopPainting?.()) this.undo();
    pinchView(this.upper, this.sight, this.fingers);
  }

  key(event) {
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    const tool = Object.entries(TOOLS).find(([, { key: own }]) => own === key)?.[0];
    const acts = {
      "[": () => this.setBrush({ size: Math.round(this.brush.size * 0.85) - 1 }),
      "]": () => this.setBrush({ size: Math.round(this.brush.size * 1.15) + 1 }),
      0: () => this.fit(),
      i: () => this.whole((mask) => mask.invert()),
      delete: () => this.clear(),
      "?": () => this.keys.show(),
      " ": () => (this.board.dataset.held = "hand"),
    };
    let act = null;
    if (control && key === "z") act = event.shiftKey ? () => this.redo() : () => this.undo();
    else if (control && key === "y") act = () => this.redo();
    else if (!control && !event.altKey) act = tool ? () => this.choose(tool) : acts[key];
    if (!act || event.target !== this.board) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  drawRing(event = null) {
    if (event) this.pointer = event;
    const sized = TOOLS[this.tool].sized && this.input && this.pointer;
    this.ring.hidden = !sized || !this.pointer;
    if (!sized) return;
    const box = this.board.getBoundingClientRect();
    const across = (this.brush.size * this.sight.scale) / this.sight.ratio;
    this.ring.style.cssText = `width:${across}px;height:${across}px;transform:translate(${this.pointer.clientX - box.left - across / 2}px,${this.pointer.clientY - box.top - across / 2}px)`;
  }

  drawOutline(points) {
    const { outline, upper, sight } = this;
    if (outline.width !== upper.width || outline.height !== upper.height) [outline.width, outline.height] = [upper.width, upper.height];
    const context = outline.getContext("2d");
    context.clearRect(0, 0, outline.width, outline.height);
    if (!points) return;
    context.setLineDash([6, 4]);
    context.beginPath();
    for (const { x, y } of points) context.lineTo(x * sight.scale + sight.x, y * sight.scale + sight.y);
    context.closePath();
    for (const [style, width] of [["rgb(0 0 0 / 60%)", 3], ["white", 1.5]]) {
      [context.strokeStyle, context.lineWidth] = [style, width];
      context.stroke();
    }
  }

  drawMarks() {
    if (!this.input || !this.sight.bitmap) return;
    this.tellFacts();
    this.frame.draw();
  }
}

/** "#ff8000" as [255, 128, 0]. */
function rgb(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

function pressureOf({ pointerType, pressure }) {
  return pointerType === "pen" ? 0.25 + 0.75 * pressure : 1;
}

/** Resolves when the widgets hold these values. */
function arrived(tab, wanted) {
  const there = () => Object.entries(wanted).every(([name, value]) => form(tab).values[name] === value);
  return new Promise((resolve, reject) => {
    if (there()) return resolve();
    const late = setTimeout(() => {
      changes.removeEventListener("values", look);
      reject(new Error("The page did not take over what was painted."));
    }, 5000);
    const look = () => {
      if (!there()) return;
      clearTimeout(late);
      changes.removeEventListener("values", look);
      resolve();
    };
    changes.addEventListener("values", look);
  });
}

customElements.define("easel-source", Source);

for (const [tab, label, order] of [
  ["img2img", "img2img", 20],
  ["inpaint", "Inpaint", 30],
]) {
  const receive = ({ input }) => sources.get(tab).take(input);
  registerTarget({ name: tab, tab, label, order, settings: true, receive });
}
