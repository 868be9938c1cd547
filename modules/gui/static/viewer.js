// One picture over the whole window: arrows walk, the wheel zooms at the pointer, dragging moves, Esc closes.
import { el, iconButton, setText } from "./element.js";
import { inspect } from "./inspect.js";
import { library } from "./library.js";
import { attempt } from "./message.js";
import { sendBar } from "./send.js";

const MOST = 16;
const FASTER = 1.0015;

class Viewer {
  pictures = [];
  at = 0;
  zoom = 1;
  x = 0;
  y = 0;

  constructor() {
    this.image = el("img", { class: "viewer-image", alt: "", draggable: "false" });
    this.words = el("p", { class: "viewer-words" });
    this.targets = sendBar(() => this.picture && { picture: this.picture }, { before: () => this.dialog.close() });
    this.starring = iconButton("star", "Star (F)", () => this.star());
    this.dialog = el(
      "dialog",
      { class: "viewer", "aria-label": "Full screen", id: "lightboxModal" },
      el("div", { class: "viewer-space" }, this.image),
      el(
        "div",
        { class: "viewer-bar" },
        this.words,
        this.targets,
        this.starring,
        iconButton("inspect", "See inside (I)", () => inspect({ picture: this.picture })),
        iconButton("fit", "Whole picture or its own size (Z)", () => this.toggle()),
        iconButton("download", "Download (S)", () => download(this.picture)),
        iconButton("close", "Close (Esc)", () => this.dialog.close()),
      ),
      iconButton("left", "Previous picture", () => this.walk(-1), { id: "viewer_previous" }),
      iconButton("right", "Next picture", () => this.walk(1), { id: "viewer_next" }),
    );
    this.space = this.dialog.firstChild;
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.space.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.space.addEventListener("dblclick", (event) => this.toggle(event));
    this.space.addEventListener("pointerdown", (event) => this.drag(event));
    this.dialog.addEventListener("close", () => this.chosen?.(this.picture));
    document.body.append(this.dialog);
  }

  get picture() {
    return this.pictures[this.at];
  }

  open(pictures, picture, chosen, lacking) {
    this.pictures = [...pictures];
    Object.assign(this, { chosen, lacking });
    this.show(pictures.findIndex((one) => one?.id === picture.id));
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** Shows the picture at a place of the list; one that is not known yet is asked for first. */
  async show(at) {
    this.at = at;
    this.pictures[at] ??= await this.lacking(at);
    if (this.at !== at || !this.picture) return;
    const { url, prompt, width, height, seed } = this.picture;
    this.image.src = url;
    this.image.alt = prompt || "";
    this.image.width = width;
    this.image.height = height;
    const facts = [`${at + 1} of ${this.pictures.length.toLocaleString()}`, `${width} × ${height}`, seed >= 0 && `seed ${seed}`];
    setText(this.words, facts.filter(Boolean).join(" · "));
    this.targets.draw();
    this.drawStar();
    for (const id of ["viewer_previous", "viewer_next"])
      this.dialog.querySelector(`#${id}`).hidden = this.pictures.length < 2;
    this.place(1, 0, 0);
  }

  async star() {
    const { picture, at } = this;
    const starred = await attempt(() => library.star([picture.id], !picture.starred).then(() => true));
    if (!starred) return;
    this.pictures[at] = { ...picture, starred: !picture.starred };
    this.drawStar();
  }

  drawStar() {
    const { starred = false, trashed = null } = this.picture;
    this.starring.setAttribute("aria-pressed", String(starred));
    this.starring.firstChild.className = `icon icon-${starred ? "starred" : "star"}`;
    this.starring.hidden = trashed !== null;
    this.targets.hidden = trashed !== null;
  }

  walk(step) {
    this.show((this.at + step + this.pictures.length) % this.pictures.length);
  }

  key(event) {
    const act = {
      ArrowLeft: () => this.walk(-1),
      ArrowRight: () => this.walk(1),
      z: () => this.toggle(),
      f: () => this.star(),
      s: () => download(this.picture),
      i: () => inspect({ picture: this.picture }),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  place(zoom, x, y) {
    this.zoom = Math.min(MOST, Math.max(1, zoom));
    [this.x, this.y] = this.zoom === 1 ? [0, 0] : [x, y];
    this.image.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`;
    this.image.classList.toggle("pixels", this.zoom * this.image.clientWidth > 3 * this.picture.width);
  }

  /** Zooms so that the point under the pointer stays where it is. */
  zoomAt(zoom, clientX, clientY) {
    const limited = Math.min(MOST, Math.max(1, zoom));
    const box = this.space.getBoundingClientRect();
    const [px, py] = [clientX - box.left - box.width / 2, clientY - box.top - box.height / 2];
    const grown = limited / this.zoom;
    this.place(limited, px - (px - this.x) * grown, py - (py - this.y) * grown);
  }

  wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 30 : 1);
    this.zoomAt(this.zoom * FASTER ** -pixels, event.clientX, event.clientY);
  }

  toggle(event = null) {
    const box = this.space.getBoundingClientRect();
    const own = Math.max(2, this.picture.width / (this.image.clientWidth || this.picture.width));
    if (this.zoom > 1) this.place(1, 0, 0);
    else this.zoomAt(own, event?.clientX ?? box.left + box.width / 2, event?.clientY ?? box.top + box.height / 2);
  }

  drag(event) {
    const from = { x: event.clientX - this.x, y: event.clientY - this.y, at: event.clientX };
    const move = (now) => this.zoom > 1 && this.place(this.zoom, now.clientX - from.x, now.clientY - from.y);
    const up = (now) => {
      this.space.removeEventListener("pointermove", move);
      const swept = now.clientX - from.at;
      if (this.zoom === 1 && event.pointerType === "touch" && Math.abs(swept) > 50) this.walk(swept < 0 ? 1 : -1);
      else if (this.zoom === 1 && event.target === this.space && Math.abs(swept) < 5) this.dialog.close();
    };
    this.space.setPointerCapture(event.pointerId);
    this.space.addEventListener("pointermove", move);
    this.space.addEventListener("pointerup", up, { once: true });
  }
}

let viewer = null;

/** Opens `picture`, one of `pictures`; `chosen` is told the one shown last. `lacking(at)` gives those that are null. */
export function view(pictures, picture, chosen, lacking = null) {
  viewer ??= new Viewer();
  viewer.open(pictures, picture, chosen, lacking);
}

export function download(picture) {
  const name = picture.name ?? picture.file?.split(/[\\/]/).at(-1) ?? `${picture.id}.png`;
  const link = el("a", { href: picture.url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}
