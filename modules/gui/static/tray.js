// The pictures that Extras takes: dropped, pasted, chosen or sent here. The widgets hold only their ids.
import { compare } from "./compare.js";
import { takeFiles } from "./dropping.js";
import { el, iconButton, setText } from "./element.js";
import { generated } from "./generate.js";
import { Looks, showLook } from "./looks.js";
import { attempt, say } from "./message.js";
import { registerTarget } from "./send.js";
import { ask, upload } from "./server.js";
import { stageOf } from "./stage.js";
import { apply, changes, form } from "./values.js";

const KEPT = /^[0-9a-f]{32}$/; // other lines are files and folders on the server
const MOST_SHOWN = 60;
const trays = new Map();

class Tray extends HTMLElement {
  known = new Map(); // stored pictures by id
  shown = null;

  connectedCallback() {
    if (this.place) return;
    this.tab = this.getAttribute("tab");
    trays.set(this.tab, this);
    this.build();
    changes.addEventListener("values", ({ detail }) => detail === this.tab && this.follow());
    generated.addEventListener("pressed", ({ detail }) => detail === this.tab && showLook(this, "result"));
    takeFiles(this, this.tab, (files) => this.bring(files));
    showLook(this, "source");
    this.draw([]);
  }

  build() {
    this.file = el("input", { type: "file", accept: "image/*", multiple: true, hidden: true });
    this.file.addEventListener("change", () => this.bring([...this.file.files]));
    this.invite = el(
      "button",
      { type: "button", class: "board-invite", onclick: () => this.file.click() },
      el("strong", {}, "Drop pictures to enlarge here"),
      el("span", {}, "or paste with Ctrl+V, or click to choose files"),
    );
    this.pictures = el("div", { class: "tray-pictures", id: `${this.tab}_image` });
    this.place = el("div", { class: "board tray-place" }, this.pictures, this.invite);
    this.facts = el("span", { class: "source-facts" });
    this.bar = el(
      "div",
      { class: "source-tools tray-tools" },
      iconButton("open", "Other pictures", () => this.file.click()),
      iconButton("close", "Remove all", () => this.use([])),
    );
    this.append(this.file, this.place, el("div", { class: "source-foot" }, this.facts, this.bar));
  }

  /** What the widgets name: lines of ids, files and folders. */
  get names() {
    const { batch_files: files, init_image: single } = form(this.tab).values;
    const lines = (files ?? "").split("\n").map((line) => line.trim());
    const named = lines.filter(Boolean);
    return named.length ? named : single ? [single] : [];
  }

  /** Takes these in place of what was there. */
  use(names) {
    const several = names.length > 1 || (names.length === 1 && !KEPT.test(names[0]));
    apply(this.tab, { init_image: several ? "" : (names[0] ?? ""), batch_files: several ? names.join("\n") : "" });
    showLook(this, "source");
  }

  take(input) {
    this.known.set(input.id, input);
    this.use([input.id]);
  }

  async bring(files) {
    this.file.value = "";
    if (!files.length) return;
    say(this.tab, "");
    const names = [];
    for (const file of files) {
      const input = await attempt(() => upload("/api/inputs", file), this.tab);
      if (!input) continue;
      this.known.set(input.id, input);
      if (!names.includes(input.id)) names.push(input.id);
    }
    if (names.length) this.use(names);
  }

  /** The widgets changed: shows what they name now, and how large it will be. */
  async follow() {
    const names = this.names;
    const told = names.join("\n");
    if (told !== this.shown) {
      this.shown = told;
      await Promise.all(names.filter((name) => KEPT.test(name)).slice(0, MOST_SHOWN).map((name) => this.find(name)));
      if (told !== this.shown) return;
      this.draw(names);
    }
    this.tell(names);
  }

  async find(id) {
    if (this.known.has(id)) return;
    const input = await attempt(() => ask(`/api/inputs/${id}`), this.tab);
    if (input) this.known.set(id, input);
  }

  draw(names) {
    this.classList.toggle("has-picture", names.length > 0);
    this.invite.hidden = names.length > 0;
    this.pictures.classList.toggle("tray-single", names.length === 1);
    const more = names.length - MOST_SHOWN;
    this.pictures.replaceChildren(
      ...names.slice(0, MOST_SHOWN).map((name, at) => this.item(name, at, names)),
      ...(more > 0 ? [el("span", { class: "tray-more" }, `and ${more} more`)] : []),
    );
  }

  item(name, at, names) {
    const input = this.known.get(name);
    const inside = input
      ? el("img", { src: input.url, alt: `Picture ${at + 1}`, width: input.width, height: input.height })
      : el("span", { class: "tray-path", dir: "auto" }, name);
    const remove = iconButton("close", "Remove", () => this.use(names.filter((_, other) => other !== at)));
    return el("div", { class: input ? "tray-item" : "tray-item tray-file" }, inside, names.length > 1 && remove);
  }

  tell(names) {
    const only = names.length === 1 ? this.known.get(names[0]) : null;
    if (only) setText(this.facts, `${only.width} × ${only.height} → ${this.becomes(only)}`);
    else if (names.every((name) => KEPT.test(name))) setText(this.facts, names.length ? `${names.length} pictures` : "");
    else setText(this.facts, `${names.length} pictures and folders`);
  }

  /** The size that the widgets ask for, in words. */
  becomes({ width, height }) {
    const { upscaler_1: first, upscaler_2: second, upscaling_mode: mode, upscaling_crop: crop, ...more } = form(this.tab).values;
    if (first === "None" && second === "None") return "the same size";
    const [wide, high] = [more.upscaling_resize_w, more.upscaling_resize_h];
    if (mode === "Scale by") return `${Math.trunc(width * more.upscaling_resize)} × ${Math.trunc(height * more.upscaling_resize)}`;
    if (!wide && !high) return "no size";
    if (wide && high && crop) return `${wide} × ${high}`;
    const scale = Math.max(wide / width, high / height);
    return `${Math.trunc(width * scale)} × ${Math.trunc(height * scale)}`;
  }

  // --- before and after

  /** Shows the picture on the stage over what it was made from. */
  async compare() {
    const picture = stageOf(this.tab)?.picture;
    if (!picture) return void say(this.tab, "There is no result to compare yet.", "", "note");
    const before = await attempt(() => this.before(picture), this.tab);
    if (before) compare({ ...before, label: "Before" }, { ...picture, label: "After" });
    else say(this.tab, "What this picture was made from is a file that the page cannot show.", "", "note");
  }

  async before({ job, index }) {
    const { request } = await ask(`/api/jobs/${encodeURIComponent(job)}`);
    const names = request.batch_files ? request.batch_files.split("\n") : [request.init_image];
    return KEPT.test(names[index] ?? "") ? ask(`/api/inputs/${names[index]}`) : null;
  }
}

/** Like the choice above other tabs' pictures, with a third button. */
class TrayLooks extends Looks {
  connectedCallback() {
    if (this.firstChild) return;
    super.connectedCallback();
    const tray = () => trays.get(this.getAttribute("tab"));
    this.append(el("button", { type: "button", class: "tray-compare", onclick: () => tray().compare() }, "Before / after"));
  }
}

customElements.define("easel-tray", Tray);
customElements.define("easel-tray-looks", TrayLooks);

registerTarget({
  name: "extras",
  tab: "extras",
  label: "Extras",
  order: 40,
  receive: ({ input }) => trays.get("extras").take(input),
});
