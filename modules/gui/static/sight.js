// What is seen of a picture while it is painted on: zoom, place, and the drawing of what changed.
//
// Two canvases of the window's size, never the picture's: one shows the picture and is drawn when the view moves, one
// shows what is painted and is drawn where it changed. A stroke therefore costs what it covers on the screen.
import { union } from "./raster.js";

const MOST = 32;
const SMALLER = 2048; // longer pictures are also kept at half their size, for looking at from afar

export class Sight {
  scale = 1;
  x = 0;
  y = 0;
  mask = null;
  colours = null;
  tint = [229, 57, 53];
  opacity = 0.55;
  stale = null;

  constructor(below, above) {
    this.below = below;
    this.above = above;
    this.lower = below.getContext("2d");
    this.upper = above.getContext("2d");
  }

  async show(bitmap) {
    this.bitmap = bitmap;
    this.half = null;
    this.fit();
    if (Math.max(bitmap.width, bitmap.height) > SMALLER) {
      const [resizeWidth, resizeHeight] = [bitmap.width >> 1, bitmap.height >> 1];
      this.half = await createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "medium" });
      this.draw();
    }
  }

  /** Takes the element's size, in the screen's own pixels. */
  measure() {
    const box = this.below.getBoundingClientRect();
    this.ratio = Math.min(2, window.devicePixelRatio || 1);
    const [width, height] = [Math.max(1, Math.round(box.width * this.ratio)), Math.max(1, Math.round(box.height * this.ratio))];
    for (const canvas of [this.below, this.above]) {
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
    }
  }

  /** Shows the whole picture, with this many of its pixels on each side. */
  fit({ left = 0, right = 0, up = 0, down = 0 } = {}) {
    if (!this.bitmap) return;
    this.measure();
    const margin = 24 * this.ratio;
    const { width, height } = this.below;
    const [across, tall] = [this.bitmap.width + left + right, this.bitmap.height + up + down];
    this.scale = Math.max(0.01, Math.min(MOST, (width - margin) / across, (height - margin) / tall));
    this.x = (width - across * this.scale) / 2 + left * this.scale;
    this.y = (height - tall * this.scale) / 2 + up * this.scale;
    this.draw();
  }

  /** Where a pointer event is, in the picture's pixels. */
  at(event) {
    const box = this.below.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) * this.ratio - this.x) / this.scale,
      y: ((event.clientY - box.top) * this.ratio - this.y) / this.scale,
    };
  }

  /** Where a pixel of the picture is in the element, in css pixels. */
  place(x, y) {
    return { left: (x * this.scale + this.x) / this.ratio, top: (y * this.scale + this.y) / this.ratio };
  }

  zoomAt(factor, clientX, clientY) {
    const box = this.below.getBoundingClientRect();
    const [px, py] = [(clientX - box.left) * this.ratio, (clientY - box.top) * this.ratio];
    const scale = Math.min(MOST * this.ratio, Math.max(0.02, this.scale * factor));
    const grown = scale / this.scale;
    [this.x, this.y, this.scale] = [px - (px - this.x) * grown, py - (py - this.y) * grown, scale];
    this.draw();
  }

  move(dx, dy) {
    this.x += dx * this.ratio;
    this.y += dy * this.ratio;
    this.draw();
  }

  /** Draws everything at the next frame. */
  draw() {
    this.later(null, true);
  }

  /** Draws what was painted in a box of the picture at the next frame. */
  painted(box) {
    if (box) this.later(box, false);
  }

  later(box, all) {
    this.all ||= all;
    this.stale = union(this.stale, box);
    this.frame ??= requestAnimationFrame(() => this.now());
  }

  now() {
    const { all, stale } = this;
    this.frame = this.stale = null;
    this.all = false;
    if (!this.bitmap) return;
    if (all) this.drawPicture();
    const { width, height } = this.above;
    if (all) this.drawPainted(0, 0, width, height);
    else if (stale) {
      const left = Math.max(0, Math.floor(stale.x * this.scale + this.x) - 1);
      const top = Math.max(0, Math.floor(stale.y * this.scale + this.y) - 1);
      const right = Math.min(width, Math.ceil((stale.x + stale.w) * this.scale + this.x) + 1);
      const bottom = Math.min(height, Math.ceil((stale.y + stale.h) * this.scale + this.y) + 1);
      if (right > left && bottom > top) this.drawPainted(left, top, right - left, bottom - top);
    }
    this.drawn?.();
  }

  drawPicture() {
    const { lower, bitmap, scale } = this;
    lower.setTransform(1, 0, 0, 1, 0, 0);
    lower.clearRect(0, 0, this.below.width, this.below.height);
    lower.imageSmoothingEnabled = scale < 3;
    lower.imageSmoothingQuality = "medium";
    const source = this.half && scale <= 0.6 ? this.half : bitmap;
    lower.drawImage(source, this.x, this.y, bitmap.width * scale, bitmap.height * scale);
  }

  /** Fills a part of the upper canvas from mask and colours, one screen pixel after another. */
  drawPainted(left, top, width, height) {
    const { mask, colours, scale, tint } = this;
    const image = new ImageData(width, height);
    const out = image.data;
    const { width: across, height: down } = this.bitmap;
    const step = 1 / scale;
    const columns = new Int32Array(width);
    for (let i = 0; i < width; i += 1) columns[i] = Math.floor((left + i + 0.5 - this.x) * step);
    for (let j = 0; j < height; j += 1) {
      const row = Math.floor((top + j + 0.5 - this.y) * step);
      if (row < 0 || row >= down) continue;
      for (let i = 0; i < width; i += 1) {
        const column = columns[i];
        if (column < 0 || column >= across) continue;
        const from = row * across + column;
        const at = (j * width + i) * 4;
        const colour = colours ? colours.data[from * 4 + 3] : 0;
        if (colour) for (let c = 0; c < 4; c += 1) out[at + c] = colours.data[from * 4 + c];
        const over = mask ? mask.data[from] * this.opacity * (1 - colour / 255) : 0; // a colour is seen as it will be
        if (!over) continue;
        const share = colour ? over / 255 : 1;
        for (let c = 0; c < 3; c += 1) out[at + c] += (tint[c] - out[at + c]) * share;
        out[at + 3] = Math.max(colour, over);
      }
    }
    this.upper.putImageData(image, left, top);
  }
}
