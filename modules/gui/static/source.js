// The picture to start from, and what is painted on it: a mask, or colours. Its pixels stay in the browser while somebody
// paints; when Generate is pressed, or the hand rests, what was painted is stored once and the widgets get its id.
import { automaticMasks } from "./automatic_masks.js";
import { dropDraft, keepDraft, readDraft } from "./drafts.js";
import { el, iconButton, setText, shownTab } from "./element.js";
import { beforeGenerate, generated } from "./generate.js";
import { say } from "./message.js";
import { Raster } from "./raster.js";
import { registerTarget } from "./send.js";
import { ask, upload } from "./server.js";
import { Sight } from "./sight.js";
import { startTool, TOOLS } from "./tools.js";
import { apply, changes, form, load, store } from "./values.js";

const DRAFT = 300; // ms without a stroke after which the browser keeps what was painted, should the page go away
const REST = 2500; // ms without a stroke after which what was painted is stored
const KEY = "easel.brush";
const KEYS = [
  ["B, E", "brush, eraser"],
  ["R, L", "rectangle, lasso"],
  ["F, C", "fill where the colour is alike: joined, everywhere"],
  ["[ and ]", "smaller or larger brush"],
  ["Wheel, two fingers", "zoom at the pointer"],
  ["Space or H, then drag", "move the view"],
  ["0", "show the whole picture"],
  ["I, Delete", "invert the mask, clear"],
  ["Ctrl+Z", "undo"],
  ["Ctrl+Shift+Z, Ctrl+Y", "redo"],
  ["?", "these keys"],
];
const ONLY_MASKED = "Only masked";
const SIDES = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };
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
    this.area = el("i", { class: "board-part", hidden: true, title: "The part that is painted" });
    this.frame = el("div", { class: "board-frame", hidden: true }, ...Object.keys(SIDES).map((side) => this.handle(side)));
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
      this.area,
      this.frame,
      this.ring,
      this.invite,
    );
    this.facts = el("span", { class: "source-facts" });
    this.append(this.file, this.bar(), this.board, el("p", { class: "source-foot" }, this.facts, this.help()));
  }

  bar() {
    this.toolButtons = Object.fromEntries(
      Object.entries(TOOLS).map(([name, { label, key }]) => [
        name,
        iconButton(name, `${label} (${key.toUpperCase()})`, () => this.choose(name), { "data-tool": name, "aria-pressed": "false" }),
      ]),
    );
    const slide = (name, label, min, max, step, of = (v) => v) => {
      const input = el("input", { type: "range", min, max, step, "aria-label": label, value: this.brush[name] });
      input.addEventListener("input", () => this.setBrush({ [name]: of(Number(input.value)) }));
      this.slides = { ...this.slides, [name]: input };
      return el("label", { class: "slide", title: label }, el("span", {}, label), input);
    };
    this.ink = el("input", { type: "color", value: this.brush.colour, "aria-label": "Colour", class: "ink" });
    this.ink.addEventListener("input", () => this.setBrush({ colour: this.ink.value }));
    this.tint = el("input", { type: "color", value: this.brush.tint, "aria-label": "Colour of the mask on the screen", class: "ink" });
    this.tint.title = this.tint.getAttribute("aria-label");
    this.tint.addEventListener("input", () => this.setBrush({ tint: this.tint.value }));
    this.sketch = el("input", { type: "checkbox" });
    this.sketch.checked = this.sketching;
    this.sketch.addEventListener("change", () => (this.sketching = this.sketch.checked));
    const mask = el("input", { type: "file", accept: "image/*", hidden: true, onchange: () => this.bringMask(mask.files[0]) });
    this.automatic = this.masks && automaticMasks((name) => this.makeMask(name));
    const act = (icon, label, does, attributes) => iconButton(icon, label, does, { "data-act": icon, ...attributes });
    return el(
      "div",
      { class: "source-bar", role: "toolbar", "aria-label": "Painting tools" },
      el("span", { class: "source-tools" }, ...Object.values(this.toolButtons)),
      slide("size", "Size", 1, 600, 1),
      slide("hardness", "Hardness", 0, 1, 0.05),
      slide("tolerance", "Tolerance", 0, 128, 1),
      this.masks && slide("opacity", "Mask opacity", 0.1, 1, 0.05),
      this.masks && this.tint,
      el(
        "label",
        { class: "source-sketch", title: "Paint with a colour that becomes part of the picture" },
        this.masks && this.sketch,
        this.masks && "Colour",
        this.ink,
      ),
      el(
        "span",
        { class: "source-tools" },
        act("undo", "Undo (Ctrl+Z)", () => this.undo()),
        act("redo", "Redo (Ctrl+Shift+Z)", () => this.redo()),
        this.masks && act("invert", "Invert the mask (I)", () => this.whole((mask) => mask.invert())),
        this.masks && act("fill", "Mask everything", () => this.whole((mask) => mask.fill(255))),
        this.automatic,
        act("clear", "Clear what was painted (Del)", () => this.clear()),
        act("fit", "Show the whole picture (0)", () => this.sight.fit(this.added())),
        this.masks && act("upload", "Use a picture as the mask", () => mask.click()),
        act("open", "Another picture", () => this.file.click()),
        act("close", "Remove the picture", () => this.removePicture()),
      ),
      mask,
    );
  }

  help() {
    const rows = KEYS.flatMap(([keys, does]) => [el("dt", {}, keys), el("dd", {}, does)]);
    this.keys = el("div", { class: "source-keys", popover: "auto" }, el("h3", {}, "Keys"), el("dl", {}, ...rows));
    const show = () => this.keys.showPopover();
    return el("span", { class: "source-help" }, el("button", { type: "button", class: "source-ask", onclick: show }, "Keys (?)"), this.keys);
  }

  handle(side) {
    const handle = el("i", { class: `board-handle board-handle-${side}`, title: `Drag to carry the picture on (${side})` });
    handle.addEventListener("pointerdown", (event) => this.dragSide(side, event));
    return handle;
  }

  // --- which picture

  /** Shows a stored picture: {id, width, height, url}. Sets the size widgets to fit it. */
  async take(input) {
    await this.put(input);
    const sides = Object.fromEntries(Object.keys(SIDES).map((side) => [`outpaint_${side}`, 0]));
    const size = this.sizeFor(input);
    apply(this.tab, { init_image: input.id, ...size, ...(this.masks ? { mask: "", ...sides } : {}) });
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
    if (this.masks) await this.automatic.look();
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
    this.refit();
    this.drawMarks();
    if (this.following || id === undefined) return;
    if ((id || "") === (this.id ?? "")) return void this.askPart();
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
    this.askPart();
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
    this.area.hidden = this.frame.hidden = true;
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
    for (const [name, button] of Object.entries(this.toolButtons)) button.setAttribute("aria-pressed", String(name === tool));
    this.dataset.tool = this.board.dataset.tool = tool;
  }

  setBrush(values) {
    Object.assign(this.brush, values);
    this.brush.size = Math.min(600, Math.max(1, this.brush.size));
    store(KEY, this.brush);
    for (const [name, slide] of Object.entries(this.slides)) slide.value = this.brush[name];
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
    for (const kind of ["dragenter", "dragover"]) this.addEventListener(kind, (event) => this.over(event));
    this.addEventListener("dragleave", () => this.classList.remove("dropping"));
    this.addEventListener("drop", (event) => this.dropped(event));
    document.addEventListener("paste", (event) => this.pasted(event));
    document.addEventListener("visibilitychange", () => document.hidden && this.keep().catch(() => {}));
    this.fingers = new Map();
  }

  down(event) {
    if (!this.input) return;
    this.board.focus({ preventScroll: true });
    this.fingers.set(event.pointerId, event);
    this.upper.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch" && this.fingers.size > 1) return this.fingers.size === 2 ? this.pinch() : undefined;
    if (event.button === 1 || this.tool === "hand" || this.board.dataset.held) return this.drag(event);
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
    if (!this.pixels_) {
      const canvas = new OffscreenCanvas(this.input.width, this.input.height);
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(this.sight.bitmap, 0, 0);
      this.pixels_ = context.getImageData(0, 0, canvas.width, canvas.height);
    }
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
        wanted.init_image = painted ? (await upload("/api/inputs", await this.sketchFile())).id : this.input.id;
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
    const whole = this.masks && this.input && this.mask.empty && !Object.values(this.added()).some(Boolean);
    if (whole && !form(this.tab).values.batch_files) say(this.tab, "Nothing is masked: the whole picture is painted.", "", "note");
  }

  async sketchFile() {
    const { width, height } = this.input;
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    context.drawImage(this.sight.bitmap, 0, 0);
    context.drawImage(await createImageBitmap(new ImageData(this.colours.data, width, height)), 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }

  // --- the view

  look(view) {
    showLook(this, view);
  }

  resized() {
    if (!this.sight.bitmap || !this.board.clientWidth) return;
    this.sight.fit(this.added());
  }

  wheel(event) {
    if (!this.input) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 30 : 1);
    this.sight.zoomAt(1.0018 ** -pixels, event.clientX, event.clientY);
    this.drawRing(event);
  }

  drag(event) {
    let last = event;
    const move = (now) => {
      this.sight.move(now.clientX - last.clientX, now.clientY - last.clientY);
      last = now;
    };
    const up = () => {
      this.fingers.delete(event.pointerId);
      this.upper.removeEventListener("pointermove", move);
      for (const kind of ["pointerup", "pointercancel"]) this.upper.removeEventListener(kind, up);
    };
    this.upper.addEventListener("pointermove", move);
    for (const kind of ["pointerup", "pointercancel"]) this.upper.addEventListener(kind, up);
  }

  /** Two fingers zoom and move; the dab that the first one began is taken back. */
  pinch() {
    if (this.stopPainting?.()) this.undo();
    const spread = () => {
      const [a, b] = [...this.fingers.values()];
      return { x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2, apart: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) };
    };
    const both = [...this.fingers.keys()];
    let last = spread();
    const move = (event) => {
      if (!this.fingers.has(event.pointerId)) return;
      this.fingers.set(event.pointerId, event);
      const now = spread();
      this.sight.move(now.x - last.x, now.y - last.y);
      this.sight.zoomAt(now.apart / Math.max(1, last.apart), now.x, now.y);
      last = now;
    };
    const up = (event) => {
      if (!both.includes(event.pointerId)) return;
      this.fingers.clear();
      this.upper.removeEventListener("pointermove", move);
      for (const kind of ["pointerup", "pointercancel"]) this.upper.removeEventListener(kind, up);
    };
    this.upper.addEventListener("pointermove", move);
    for (const kind of ["pointerup", "pointercancel"]) this.upper.addEventListener(kind, up);
  }

  key(event) {
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    const tool = Object.entries(TOOLS).find(([, { key: own }]) => own === key)?.[0];
    const acts = {
      "[": () => this.setBrush({ size: Math.round(this.brush.size * 0.85) - 1 }),
      "]": () => this.setBrush({ size: Math.round(this.brush.size * 1.15) + 1 }),
      0: () => this.sight.fit(this.added()),
      i: () => this.whole((mask) => mask.invert()),
      delete: () => this.clear(),
      "?": () => this.keys.showPopover(),
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

  // --- marks over the picture: how far it is carried on, and which part is painted

  drawMarks() {
    if (!this.input || !this.sight.bitmap) return;
    this.tellFacts();
    const { width, height } = this.input;
    if (this.masks) {
      const { left, right, up, down } = this.added();
      this.frame.hidden = false;
      this.frame.classList.toggle("board-frame-wide", Boolean(left || right || up || down));
      this.putBox(this.frame, -left, -up, width + right, height + down);
    }
    if (this.crop) {
      const { left, top, right, bottom } = this.crop;
      this.putBox(this.area, left, top, right, bottom);
    }
    this.area.hidden = !this.crop;
  }

  /** Pixels that outpainting adds on each side. */
  added() {
    const { values } = form(this.tab);
    return Object.fromEntries(Object.keys(SIDES).map((side) => [side, values[`outpaint_${side}`] || 0]));
  }

  putBox(element, left, top, right, bottom) {
    const [from, to] = [this.sight.place(left, top), this.sight.place(right, bottom)];
    Object.assign(element.style, {
      left: `${from.left}px`,
      top: `${from.top}px`,
      width: `${to.left - from.left}px`,
      height: `${to.top - from.top}px`,
    });
  }

  dragSide(side, event) {
    event.preventDefault();
    event.stopPropagation();
    const name = `outpaint_${side}`;
    const [dx, dy] = SIDES[side];
    const start = { value: form(this.tab).values[name] ?? 0, x: event.clientX, y: event.clientY };
    const perPixel = this.sight.ratio / this.sight.scale;
    const move = (now) => {
      const pulled = ((now.clientX - start.x) * dx + (now.clientY - start.y) * dy) * perPixel;
      const value = Math.max(0, Math.min(4096, Math.round((start.value + pulled) / 8) * 8));
      if (value === form(this.tab).values[name]) return;
      form(this.tab).values[name] = value; // shown at once; the widget follows when the drag ends
      if (this.overflows(side)) this.sight.fit(this.added());
      this.drawMarks();
    };
    const up = () => {
      removeEventListener("pointermove", move);
      apply(this.tab, { [name]: form(this.tab).values[name] });
      this.sight.fit(this.added());
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", up, { once: true });
  }

  /** Brings the whole frame into view when it has become another one. */
  refit() {
    const sides = this.input && this.masks ? Object.values(this.added()).join() : "";
    if (sides === (this.sides ?? "0,0,0,0")) return;
    this.sides = sides;
    this.sight.fit(this.added());
  }

  /** Whether a side of the frame lies out of the view. */
  overflows(side) {
    const { left, right, up, down } = this.added();
    const { clientWidth, clientHeight } = this.board;
    const [from, to] = [this.sight.place(-left, -up), this.sight.place(this.input.width + right, this.input.height + down)];
    return { left: from.left < 0, up: from.top < 0, right: to.left > clientWidth, down: to.top > clientHeight }[side];
  }

  /** Asks which part would be painted when only the masked part is. */
  askPart() {
    if (!this.masks) return;
    const { values } = form(this.tab);
    const wanted = ["init_image", "mask", "mask_mode", "mask_blur", "mask_blur_y", "inpaint_area", "inpaint_full_res_padding", "width", "height"];
    const outpaint = Object.keys(SIDES).map((side) => `outpaint_${side}`);
    const sent = Object.fromEntries([...wanted, ...outpaint].map((name) => [name, values[name]]));
    if (!values.mask || values.inpaint_area !== ONLY_MASKED) {
      this.crop = this.asked = null;
      this.area.hidden = true;
      return;
    }
    const asked = JSON.stringify(sent);
    if (asked === this.asked) return;
    this.asked = asked;
    clearTimeout(this.asking);
    this.asking = setTimeout(async () => {
      const crop = await ask("/api/inputs/crop", sent).catch(() => null);
      if (this.asked !== asked) return;
      const { left, up } = this.added(); // the answer counts from the corner of the larger picture
      const { left: from, top, right, bottom } = crop ?? {};
      this.crop = crop && { left: from - left, top: top - up, right: right - left, bottom: bottom - up };
      this.drawMarks();
    }, 250);
  }

  // --- drop and paste

  over(event) {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    this.classList.add("dropping");
  }

  dropped(event) {
    const files = [...(event.dataTransfer?.files ?? [])];
    this.classList.remove("dropping");
    if (!files.length) return;
    event.preventDefault();
    event.stopPropagation();
    this.bring(files);
  }

  pasted(event) {
    if (shownTab() !== this.tab) return;
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    this.bring([file]);
  }
}

/** Which of the two is looked at: the picture to start from, or the result. */
export class Looks extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    const button = (look, label) =>
      el("button", { type: "button", "data-look": look, "aria-pressed": String(look === "source"), onclick: () => showLook(this, look) }, label);
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", "What is shown");
    this.append(button("source", "Picture"), button("result", "Result"));
  }
}

/** Shows "source" or "result" in the part of the page where `element` stands. */
export function showLook(element, view) {
  const cell = element.closest(".stage-cell");
  if (cell) cell.dataset.view = view;
  for (const button of cell?.querySelectorAll("[data-look]") ?? []) {
    button.setAttribute("aria-pressed", String(button.dataset.look === view));
  }
}

/** "#ff8000" as [255, 128, 0]. */
function rgb(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

function pressureOf({ pointerType, pressure }) {
  return pointerType === "pen" ? 0.25 + 0.75 * pressure : 1;
}

async function maskFile({ data, width, height }) {
  const image = new ImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  for (let i = 0; i < data.length; i += 1) words[i] = 0xff000000 | (data[i] * 0x010101);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** A stored picture as one byte of brightness a pixel. */
async function greyOf(url) {
  const bitmap = await createImageBitmap(await (await fetch(url)).blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const grey = new Uint8ClampedArray(bitmap.width * bitmap.height);
  for (let i = 0; i < grey.length; i += 1) grey[i] = 0.299 * data[i * 4] + 0.587 * data[i * 4 + 1] + 0.114 * data[i * 4 + 2];
  return grey;
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
customElements.define("easel-looks", Looks);

for (const [tab, label, order] of [
  ["img2img", "img2img", 20],
  ["inpaint", "Inpaint", 30],
]) {
  const receive = ({ input }) => sources.get(tab).take(input);
  registerTarget({ name: tab, tab, label, order, settings: true, receive });
}
