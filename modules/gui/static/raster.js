// What is painted: one byte a pixel for a mask, four for colours. Strokes, fills, undo; nothing here knows the screen.
//
// A picture of 4096 x 4096 is 16 MB of mask. Only what a stroke touches is visited; undo keeps tiles from before.

const TILE = 256;
const MOST_STEPS = 50;
const MOST_BYTES = 256 << 20;

export class Raster {
  constructor(width, height, channels = 1) {
    Object.assign(this, { width, height, channels });
    this.data = new Uint8ClampedArray(width * height * channels);
    this.done = [];
    this.undone = [];
    this.step = null;
  }

  /** Everything until `end` is one step of undo. */
  begin() {
    this.step ??= new Map();
  }

  /** Ends a step. Gives whether it changed anything. */
  end() {
    const step = this.step;
    this.step = null;
    if (!step?.size) return false;
    this.done.push(step);
    this.undone = [];
    let bytes = 0;
    for (let i = this.done.length - 1; i >= 0; i -= 1) {
      for (const tile of this.done[i].values()) bytes += tile.length;
      if (this.done.length - i <= MOST_STEPS && bytes <= MOST_BYTES) continue;
      this.done.splice(0, i + 1);
      break;
    }
    return true;
  }

  undo() {
    return this.swap(this.done, this.undone);
  }

  redo() {
    return this.swap(this.undone, this.done);
  }

  swap(from, to) {
    const step = from.pop();
    if (!step) return null;
    const now = new Map();
    let touched = null;
    for (const [index, before] of step) {
      const box = this.tileBox(index);
      now.set(index, this.read(box));
      this.write(box, before);
      touched = union(touched, box);
    }
    to.push(now);
    return touched;
  }

  tileBox(index) {
    const across = Math.ceil(this.width / TILE);
    const [x, y] = [(index % across) * TILE, Math.floor(index / across) * TILE];
    return { x, y, w: Math.min(TILE, this.width - x), h: Math.min(TILE, this.height - y) };
  }

  read({ x, y, w, h }) {
    const { channels, width, data } = this;
    const out = new Uint8ClampedArray(w * h * channels);
    for (let row = 0; row < h; row += 1) {
      const at = ((y + row) * width + x) * channels;
      out.set(data.subarray(at, at + w * channels), row * w * channels);
    }
    return out;
  }

  write({ x, y, w, h }, values) {
    const { channels, width, data } = this;
    for (let row = 0; row < h; row += 1) {
      data.set(values.subarray(row * w * channels, (row + 1) * w * channels), ((y + row) * width + x) * channels);
    }
  }

  /** Cuts a box to the picture and keeps its tiles for undo; null when nothing of it is inside. */
  touch(left, top, right, bottom) {
    const x = Math.max(0, Math.floor(left));
    const y = Math.max(0, Math.floor(top));
    const w = Math.min(this.width, Math.ceil(right)) - x;
    const h = Math.min(this.height, Math.ceil(bottom)) - y;
    if (w <= 0 || h <= 0) return null;
    const across = Math.ceil(this.width / TILE);
    for (let row = Math.floor(y / TILE); row * TILE < y + h; row += 1) {
      for (let column = Math.floor(x / TILE); column * TILE < x + w; column += 1) {
        const index = row * across + column;
        if (this.step && !this.step.has(index)) this.step.set(index, this.read(this.tileBox(index)));
      }
    }
    return { x, y, w, h };
  }

  /** A stroke from a to b ({x, y, radius}); `hardness` 0 to 1; `ink`: see `blend`. Gives the touched box or null. */
  stroke(a, b, hardness, ink) {
    const reach = Math.max(a.radius, b.radius) + 1;
    const box = this.touch(
      Math.min(a.x, b.x) - reach,
      Math.min(a.y, b.y) - reach,
      Math.max(a.x, b.x) + reach,
      Math.max(a.y, b.y) + reach,
    );
    if (!box) return null;
    const [dx, dy] = [b.x - a.x, b.y - a.y];
    const length = dx * dx + dy * dy || 1;
    for (let y = box.y; y < box.y + box.h; y += 1) {
      for (let x = box.x; x < box.x + box.w; x += 1) {
        const [px, py] = [x + 0.5 - a.x, y + 0.5 - a.y];
        const along = Math.min(1, Math.max(0, (px * dx + py * dy) / length));
        const [ox, oy] = [px - along * dx, py - along * dy];
        const radius = a.radius + (b.radius - a.radius) * along;
        const distance = ox * ox + oy * oy;
        if (distance >= (radius + 0.5) * (radius + 0.5)) continue;
        const inner = Math.min(radius - 0.5, radius * hardness);
        const far = Math.sqrt(distance);
        const cover = far <= inner ? 1 : (radius + 0.5 - far) / (radius + 0.5 - inner);
        this.blend(y * this.width + x, cover, ink);
      }
    }
    return box;
  }

  /** Lays ink on one pixel: a mask takes 255 or 0; colours take [r, g, b], or null to rub out. */
  blend(pixel, cover, ink) {
    const { data } = this;
    if (this.channels === 1) {
      const value = cover * 255;
      data[pixel] = ink ? Math.max(data[pixel], value) : Math.min(data[pixel], 255 - value);
      return;
    }
    const at = pixel * 4;
    if (!ink) {
      data[at + 3] = Math.min(data[at + 3], 255 - cover * 255);
      return;
    }
    const share = data[at + 3] ? cover : 1;
    for (let c = 0; c < 3; c += 1) data[at + c] += (ink[c] - data[at + c]) * share;
    data[at + 3] = Math.max(data[at + 3], cover * 255);
  }

  /** Fills a polygon of {x, y}, its edges smooth. */
  polygon(points, ink) {
    const xs = points.map((p) => p.x);
    const ys = points.map((p) => p.y);
    const box = this.touch(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys));
    if (!box) return null;
    const canvas = new OffscreenCanvas(box.w, box.h);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.beginPath();
    for (const { x, y } of points) context.lineTo(x - box.x, y - box.y);
    context.fill();
    const alpha = context.getImageData(0, 0, box.w, box.h).data;
    for (let y = 0; y < box.h; y += 1) {
      for (let x = 0; x < box.w; x += 1) {
        const cover = alpha[(y * box.w + x) * 4 + 3];
        if (cover) this.blend((box.y + y) * this.width + box.x + x, cover / 255, ink);
      }
    }
    return box;
  }

  /** Lays ink wherever `chosen` (a byte a pixel) says so. */
  region(chosen, ink) {
    const box = this.touch(0, 0, this.width, this.height);
    for (let i = 0; i < chosen.length; i += 1) if (chosen[i]) this.blend(i, 1, ink);
    return box;
  }

  fill(value) {
    const box = this.touch(0, 0, this.width, this.height);
    this.data.fill(value);
    return box;
  }

  invert() {
    const box = this.touch(0, 0, this.width, this.height);
    for (let i = 0; i < this.data.length; i += 1) this.data[i] = 255 - this.data[i];
    return box;
  }

  get empty() {
    const words = new Uint32Array(this.data.buffer, 0, this.data.length >> 2);
    return words.every((word) => word === 0) && this.data.subarray(words.length * 4).every((byte) => byte === 0);
  }
}

export function union(a, b) {
  if (!a || !b) return a ?? b;
  const [x, y] = [Math.min(a.x, b.x), Math.min(a.y, b.y)];
  return { x, y, w: Math.max(a.x + a.w, b.x + b.w) - x, h: Math.max(a.y + a.h, b.y + b.h) - y };
}

/** The pixels of an RGBA picture whose colour is near that at (x, y): a byte each. `joined`: only those that touch. */
export function alike({ data, width, height }, x, y, tolerance, joined) {
  const start = y * width + x;
  const [r, g, b] = data.subarray(start * 4, start * 4 + 3);
  const limit = tolerance * tolerance * 3;
  const near = (i) => (data[i * 4] - r) ** 2 + (data[i * 4 + 1] - g) ** 2 + (data[i * 4 + 2] - b) ** 2 <= limit;
  const chosen = new Uint8Array(width * height);
  if (!joined) {
    for (let i = 0; i < chosen.length; i += 1) if (near(i)) chosen[i] = 1;
    return chosen;
  }
  const waiting = [start];
  chosen[start] = 1;
  const visit = (i) => {
    if (chosen[i] || !near(i)) return;
    chosen[i] = 1;
    waiting.push(i);
  };
  while (waiting.length) {
    const i = waiting.pop();
    const column = i % width;
    if (column > 0) visit(i - 1);
    if (column < width - 1) visit(i + 1);
    if (i >= width) visit(i - width);
    if (i < chosen.length - width) visit(i + width);
  }
  return chosen;
}
