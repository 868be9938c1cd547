// The History tab: finding pictures among all that were made, and doing things with them.
import { el, setText } from "./element.js";
import { openFolders, readingLine } from "./folders.js";
import { Grid } from "./grid.js";
import { inspector } from "./inspector.js";
import { library } from "./library.js";
import { say } from "./message.js";
import { PictureActs } from "./picture_acts.js";
import { SearchBar } from "./search_bar.js";
import { Selection } from "./selection.js";
import { Toast } from "./toast.js";

const TAB = "history";

class History extends HTMLElement {
  selection = new Selection();
  toast = new Toast();

  connectedCallback() {
    if (this.grid) return;
    this.build();
    library.addEventListener("list", () => this.list());
    library.addEventListener("records", () => this.drawCells());
    library.addEventListener("problem", ({ detail }) => say(TAB, detail.message, detail.hint));
    this.selection.addEventListener("change", () => this.drawCells());
    this.grid.element.addEventListener("keydown", (event) => this.key(event));
    this.addEventListener("keydown", (event) => this.undoKey(event));
    new IntersectionObserver(([entry]) => library.show(entry.isIntersecting)).observe(this);
  }

  build() {
    this.grid = new Grid({ fill: (cell, id) => this.fill(cell, id), wanted: (ids) => this.wanted(ids) });
    this.listen(this.grid.space);
    this.acts = new PictureActs(this.selection, this.grid, this.toast, () => this.drawCells());
    this.bar = new SearchBar(openFolders, (button) => this.acts.askToEmpty(button));
    const acts = ["open", "star", "trash", "restore", "download", "reveal", "copy", "compare", "reuse"];
    this.inspector = inspector({
      ...Object.fromEntries(acts.map((name) => [name, () => this.acts.attempt(() => this.acts[name]())])),
      none: () => this.selection.none(),
    });
    this.empty = el("div", { class: "history-empty", hidden: true });
    this.day = el("p", { class: "history-day", "aria-hidden": "true", hidden: true });
    this.append(
      this.bar.element,
      el("div", { class: "history-message" }, readingLine(), el("easel-message", { tab: TAB })),
      el("div", { class: "history-pictures" }, this.grid.element, this.day, this.empty, this.toast.element),
      this.inspector.element,
    );
    this.grid.element.addEventListener("scroll", () => this.drawDay(), { passive: true });
  }

  // --- what is shown

  list() {
    this.bar.draw();
    this.drawEmpty();
    this.grid.show(library.ids);
    this.selection.among(library.ids);
    this.drawDay();
  }

  wanted(ids) {
    library.need([...this.selection.chosen].slice(0, 4).concat(ids));
  }

  drawCells() {
    this.grid.refill();
    const chosen = this.selection.list;
    this.grid.element.toggleAttribute("data-chosen", chosen.length > 0);
    const known = chosen.slice(0, 500).map((id) => library.record(id)).filter(Boolean);
    this.inspector.show(known, chosen.length, library.search.trashed);
    this.toggleAttribute("data-choosing", chosen.length > 0);
    this.drawDay();
  }

  fill(cell, id) {
    const picture = library.record(id);
    cell.setAttribute("aria-selected", String(this.selection.chosen.has(id)));
    cell.classList.toggle("cell-cursor", this.selection.cursor === id);
    cell.classList.toggle("cell-starred", Boolean(picture?.starred));
    const address = picture && !picture.missing ? picture.thumbnail : "";
    cell.classList.toggle("cell-missing", Boolean(picture?.missing));
    if (cell.picture === picture && cell.dataset.picture === String(id)) return;
    cell.picture = picture;
    cell.dataset.picture = id;
    const words = picture?.prompt || `Picture ${id}`;
    cell.setAttribute("aria-label", words.slice(0, 200));
    cell.title = picture?.missing ? "The file is no longer there." : words.slice(0, 300);
    const image = cell.firstChild;
    if (image.getAttribute("src") === address) return;
    image.removeAttribute("src"); // at once, lest another picture be seen until this one is loaded
    if (address) image.src = address;
  }

  /** The day of the first picture in sight, while one scrolls among many. */
  drawDay() {
    const [from] = this.grid.window(0);
    const picture = library.record(library.ids[from]);
    const scrolled = this.grid.element.scrollTop > this.grid.row / 2;
    this.day.hidden = !scrolled || !picture;
    if (!this.day.hidden)
      setText(this.day, new Date(picture.created * 1000).toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" }));
  }

  drawEmpty() {
    const { filtered } = this.bar;
    const { trashed } = library.search;
    this.empty.hidden = library.ids.length > 0;
    if (this.empty.hidden) return;
    const words = trashed && !library.facts.trashed ? "The trash is empty." : filtered ? "No picture fits." : "Your pictures will gather here.";
    const [label, act] = filtered ? ["Show everything", () => this.bar.showEverything()] : ["Add a folder of pictures", openFolders];
    this.empty.replaceChildren(el("p", {}, words), el("button", { type: "button", class: "button", onclick: act }, label));
  }

  // --- choosing

  listen(space) {
    const idAt = (event) => Number(event.target.closest(".cell")?.dataset.picture ?? Number.NaN);
    space.addEventListener("pointerdown", (event) => (this.selection.touched = event.pointerType === "touch"));
    space.addEventListener("click", (event) => {
      const id = idAt(event);
      if (Number.isNaN(id)) return this.selection.none();
      if (event.shiftKey) this.selection.reach(id);
      else if (event.ctrlKey || event.metaKey || (this.selection.touched && this.selection.chosen.size)) this.selection.toggle(id);
      else if (this.selection.touched) this.acts.openAt(id);
      else this.selection.only(id);
      this.grid.element.setAttribute("aria-activedescendant", `history_picture_${id}`);
    });
    space.addEventListener("dblclick", (event) => !this.selection.touched && !Number.isNaN(idAt(event)) && this.acts.openAt(idAt(event)));
    space.addEventListener("contextmenu", (event) => {
      if (!this.selection.touched || Number.isNaN(idAt(event))) return;
      event.preventDefault();
      this.selection.toggle(idAt(event));
    });
  }

  key(event) {
    const { ids } = library;
    const control = event.ctrlKey || event.metaKey;
    if (control && event.key === "a") return this.act(event, () => this.selection.all());
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.grid.columns, ArrowDown: this.grid.columns, PageUp: -this.grid.page, PageDown: this.grid.page };
    const at = ids.indexOf(this.selection.cursor);
    const last = ids.length - 1;
    const to = { Home: 0, End: last }[event.key] ?? (event.key in steps ? (at < 0 ? 0 : at + steps[event.key]) : null);
    if (to !== null && ids.length) return this.act(event, () => this.walk(Math.min(last, Math.max(0, to)), event));
    if (control || event.altKey) return;
    const act = {
      " ": () => this.selection.cursor != null && this.selection.toggle(this.selection.cursor),
      Enter: () => this.acts.open(),
      Delete: () => this.acts.trash(),
      Escape: () => this.selection.none(),
      f: () => this.acts.star(),
      s: () => this.acts.download(),
      c: () => this.acts.compare(),
      r: () => this.acts.reuse(),
    }[event.key];
    if (act) this.act(event, () => this.acts.attempt(act));
  }

  undoKey(event) {
    const typing = event.target.closest("input, textarea, select");
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && this.toast.undo && !typing) this.act(event, this.toast.undo);
  }

  act(event, does) {
    event.preventDefault();
    does();
  }

  walk(at, { shiftKey, ctrlKey, metaKey }) {
    const id = library.ids[at];
    if (shiftKey) this.selection.reach(id);
    else if (ctrlKey || metaKey) {
      this.selection.cursor = id;
      this.drawCells();
    } else this.selection.only(id);
    this.grid.reveal(id);
  }
}

customElements.define("easel-history", History);
