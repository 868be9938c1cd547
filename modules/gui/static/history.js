// The History tab: finding pictures among all that were made, and doing things with them.
import { compare } from "./compare.js";
import { el, iconButton, setText } from "./element.js";
import { openFolders, readingLine } from "./folders.js";
import { Grid } from "./grid.js";
import { inspector, reuse } from "./inspector.js";
import { EVERYTHING, library } from "./library.js";
import { say } from "./message.js";
import { openMenu } from "./send.js";
import { Selection } from "./selection.js";
import { ask } from "./server.js";
import { download, view } from "./viewer.js";

const TAB = "history";
const TYPING_PAUSE = 180;
const UNDO_SECONDS = 10;
const BETWEEN_DOWNLOADS = 300;

class History extends HTMLElement {
  selection = new Selection();
  touched = false; // whether the pointer is a finger: taps open pictures then, and holding chooses them
  undo = null; // what takes back the last move into the trash

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
    const acts = ["open", "star", "trash", "restore", "download", "reveal", "copy", "compare", "reuse"];
    this.inspector = inspector({
      ...Object.fromEntries(acts.map((name) => [name, () => this.attempt(() => this[name]())])),
      none: () => this.selection.none(),
    });
    this.empty = el("div", { class: "history-empty", hidden: true });
    this.day = el("p", { class: "history-day", "aria-hidden": "true", hidden: true });
    this.toast = el("div", { class: "toast", role: "status", hidden: true });
    this.append(
      this.bar(),
      el("div", { class: "history-message" }, readingLine(), el("easel-message", { tab: TAB })),
      el("div", { class: "history-pictures" }, this.grid.element, this.day, this.empty, this.toast),
      this.inspector.element,
    );
    this.grid.element.addEventListener("scroll", () => this.drawDay(), { passive: true });
  }

  // --- what is looked for

  bar() {
    let timer = null;
    let typing = {};
    const look = (search) => {
      clearTimeout(timer);
      library.look({ ...typing, ...search });
      typing = {};
    };
    const later = (search) => {
      clearTimeout(timer);
      typing = { ...typing, ...search };
      timer = setTimeout(() => look({}), TYPING_PAUSE);
    };
    const typed = (name, attributes) => {
      const box = el("input", { id: `history_${name}`, autocomplete: "off", spellcheck: "false", ...attributes });
      box.addEventListener("input", () => later({ [name]: box.value }));
      return box;
    };
    const chosen = (name, label) => {
      const list = el("select", { id: `history_${name}`, "aria-label": label });
      list.addEventListener("change", () => look({ [name]: list.value }));
      return list;
    };
    const pressed = (name, label, icon) =>
      iconButton(icon, label, () => look({ [name]: !library.search[name] }), { text: label, id: `history_${name}`, "aria-pressed": "false" });
    this.fields = {
      words: typed("words", { type: "search", placeholder: "Words of the prompt", "aria-label": "Words of the prompt" }),
      model: chosen("model", "Model"),
      folder: chosen("folder", "Folder"),
      seed: typed("seed", { type: "text", inputmode: "numeric", placeholder: "Seed", "aria-label": "Seed" }),
      from: typed("from", { type: "date", "aria-label": "From this day on", title: "From this day on" }),
      to: typed("to", { type: "date", "aria-label": "Up to this day", title: "Up to this day" }),
      starred: pressed("starred", "Starred", "star"),
      trashed: pressed("trashed", "Trash", "clear"),
    };
    const { words, starred, trashed, model, folder, seed, from, to } = this.fields;
    this.count = el("span", { class: "history-count", role: "status" });
    this.clear = iconButton("close", "Show everything again", () => this.showEverything(), { text: "Clear" });
    this.emptyTrash = el("button", { type: "button", class: "button", id: "history_empty", onclick: () => this.askToEmpty() }, "Empty the trash");
    const filters = el(
      "div",
      { class: "history-filters", id: "history_filters" },
      model,
      folder,
      seed,
      el("span", { class: "history-days" }, from, "to", to),
      starred,
      trashed,
      iconButton("folder", "Folders of pictures made elsewhere", openFolders, { text: "Folders", id: "history_open_folders" }),
      this.emptyTrash,
      this.clear,
    );
    const more = iconButton("filter", "Filters", () => more.setAttribute("aria-expanded", String(filters.toggleAttribute("data-open"))), {
      class: "button bare history-more",
      "aria-expanded": "false",
      "aria-controls": "history_filters",
    });
    return el("div", { class: "history-bar", role: "search" }, words, more, this.count, filters);
  }

  showEverything() {
    for (const name of ["words", "seed", "from", "to"]) this.fields[name].value = "";
    library.look(EVERYTHING);
  }

  drawBar() {
    const { facts, search, ids } = library;
    const filtered = Object.entries(search).some(([name, value]) => value !== EVERYTHING[name]);
    offer(this.fields.model, search.model, [["", "All models"], ...facts.models.map((name) => [name, name])]);
    const folders = facts.folders.map(({ id, path }) => [String(id), lastParts(path)]);
    offer(this.fields.folder, search.folder, [["", "All folders"], ["0", "Made here"], ...folders]);
    this.fields.folder.hidden = !folders.length && !search.folder;
    for (const name of ["starred", "trashed"]) this.fields[name].setAttribute("aria-pressed", String(search[name]));
    setText(this.fields.trashed.lastChild, facts.trashed ? `Trash (${facts.trashed.toLocaleString()})` : "Trash");
    this.clear.hidden = !filtered;
    this.emptyTrash.hidden = !search.trashed || !facts.trashed;
    const all = search.trashed ? facts.trashed : facts.pictures;
    const found = ids.length.toLocaleString();
    setText(this.count, ids.length === all ? (all === 1 ? "1 picture" : `${found} pictures`) : `${found} of ${all.toLocaleString()}`);
    this.drawEmpty(filtered, search.trashed);
  }

  drawEmpty(filtered, trashed) {
    this.empty.hidden = library.ids.length > 0;
    if (this.empty.hidden) return;
    const words = trashed && !library.facts.trashed ? "The trash is empty." : filtered ? "No picture fits." : "Your pictures will gather here.";
    const [label, act] = filtered ? ["Show everything", () => this.showEverything()] : ["Add a folder of pictures", openFolders];
    this.empty.replaceChildren(el("p", {}, words), el("button", { type: "button", class: "button", onclick: act }, label));
  }

  // --- what is shown

  list() {
    this.drawBar();
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

  // --- choosing

  listen(space) {
    const idAt = (event) => Number(event.target.closest(".cell")?.dataset.picture ?? Number.NaN);
    space.addEventListener("pointerdown", (event) => (this.touched = event.pointerType === "touch"));
    space.addEventListener("click", (event) => {
      const id = idAt(event);
      if (Number.isNaN(id)) return this.selection.none();
      if (event.shiftKey) this.selection.reach(id);
      else if (event.ctrlKey || event.metaKey || (this.touched && this.selection.chosen.size)) this.selection.toggle(id);
      else if (this.touched) this.openAt(id);
      else this.selection.only(id);
      this.grid.element.setAttribute("aria-activedescendant", `history_picture_${id}`);
    });
    space.addEventListener("dblclick", (event) => !this.touched && !Number.isNaN(idAt(event)) && this.openAt(idAt(event)));
    space.addEventListener("contextmenu", (event) => {
      if (!this.touched || Number.isNaN(idAt(event))) return;
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
      Enter: () => this.open(),
      Delete: () => this.trash(),
      Escape: () => this.selection.none(),
      f: () => this.star(),
      s: () => this.download(),
      c: () => this.compare(),
      r: () => this.reuse(),
    }[event.key];
    if (act) this.act(event, () => this.attempt(act));
  }

  undoKey(event) {
    const typing = event.target.closest("input, textarea, select");
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && this.undo && !typing) this.act(event, this.undo);
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

  // --- what is done with the chosen pictures

  get one() {
    const [id] = this.selection.chosen;
    return this.selection.chosen.size === 1 ? library.record(id) : null;
  }

  async attempt(work) {
    try {
      return await work();
    } catch (refused) {
      return say(TAB, refused.message, refused.hint);
    }
  }

  open() {
    return this.openAt(this.selection.cursor ?? library.ids[0]);
  }

  async openAt(id) {
    const picture = await library.fetched(id);
    if (!picture || picture.missing) return;
    const { ids } = library;
    const pictures = ids.map((one) => library.record(one));
    const chosen = (last) => {
      if (this.selection.chosen.size < 2 && last && !this.touched) this.selection.only(last.id);
      this.grid.reveal(last?.id);
      this.grid.element.focus({ preventScroll: true });
    };
    view(pictures, picture, chosen, (at) => library.fetched(ids[at]));
  }

  async star() {
    const ids = this.selection.list;
    if (!ids.length || library.search.trashed) return;
    const starred = !ids.every((id) => library.record(id)?.starred);
    await library.star(ids, starred);
  }

  async trash() {
    const ids = this.selection.list;
    if (!ids.length || library.search.trashed) return;
    await this.moveChosen(ids, "trash", (moved) => `${counted(moved)} moved to the trash.`, true);
  }

  async restore() {
    await this.moveChosen(this.selection.list, "restore", (moved) => `${counted(moved)} restored.`);
  }

  /** Moves pictures; the cursor goes on to the next one, and what was moved into the trash can be taken back. */
  async moveChosen(ids, what, sentence, undoable = false) {
    const { pictures, problems } = await library.move(ids, what);
    if (problems.length) say(TAB, problems[0], problems.length > 1 ? `So it went with ${problems.length} pictures.` : "");
    if (!pictures.length) return;
    if (ids.length === 1 && this.selection.cursor != null) this.selection.only(this.selection.cursor);
    const back = async () => {
      this.dismissToast();
      await this.attempt(() => library.move(pictures, "restore"));
      await library.refresh();
      this.selection.chosen = new Set(pictures);
      this.selection.cursor = pictures[0];
      this.drawCells();
    };
    this.showToast(sentence(pictures.length), undoable ? back : null);
  }

  showToast(sentence, undo) {
    this.dismissToast();
    this.undo = undo;
    this.toast.replaceChildren(sentence);
    if (undo) this.toast.append(el("button", { type: "button", class: "toast-act", title: "Undo (Ctrl+Z)", onclick: undo }, "Undo"));
    this.toast.hidden = false;
    this.toastTimer = setTimeout(() => this.dismissToast(), UNDO_SECONDS * 1000);
  }

  dismissToast() {
    clearTimeout(this.toastTimer);
    this.toast.hidden = true;
    this.undo = null;
  }

  async askToEmpty() {
    await library.refresh(); // the number that is asked about is the number that goes
    const count = library.facts.trashed;
    const empty = () => {
      menu.hidePopover();
      this.attempt(async () => {
        const { deleted } = await ask("/api/library/empty-trash", {});
        await library.refresh();
        this.showToast(`${counted(deleted)} deleted for good.`, null);
      });
    };
    const words = `Delete ${count === 1 ? "1 picture" : `${count.toLocaleString()} pictures`} for good`;
    const menu = el("div", { class: "menu", popover: "auto", role: "menu", "aria-label": "Empty the trash" },
      el("button", { type: "button", role: "menuitem", class: "menu-grave", onclick: empty }, words),
    );
    openMenu(menu, this.emptyTrash);
  }

  async download() {
    for (const id of this.selection.list) {
      const picture = await library.fetched(id);
      if (!picture || picture.missing) continue;
      download(picture);
      await new Promise((done) => setTimeout(done, BETWEEN_DOWNLOADS)); // browsers drop what comes faster
    }
  }

  async compare() {
    const ids = this.selection.list;
    if (ids.length !== 2) return say(TAB, "Two pictures are compared.", "Choose a second one with Ctrl+click.", "note");
    const [newer, older] = await Promise.all(ids.map((id) => library.fetched(id)));
    compare(older, newer);
  }

  reuse() {
    if (this.one?.infotext) return reuse(this.one);
  }

  reveal() {
    return ask(`/api/pictures/${this.one.id}/show`, {});
  }

  async copy() {
    await navigator.clipboard.writeText(this.one.infotext);
    say(TAB, "The settings text is copied.", "", "note");
  }
}

customElements.define("easel-history", History);

/** Puts options into a list, only where they are others than before. */
function offer(list, value, options) {
  const now = JSON.stringify(options);
  if (list.dataset.options !== now) {
    list.dataset.options = now;
    list.replaceChildren(...options.map(([name, words]) => el("option", { value: name }, words)));
  }
  list.value = value;
}

const counted = (count) => (count === 1 ? "1 picture" : `${count.toLocaleString()} pictures`);
const lastParts = (path) => path.split(/[\\/]/).filter(Boolean).slice(-2).join("/");
