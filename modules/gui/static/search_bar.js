// Over the grid of the history: what is looked for among all pictures, and how many that are.
import { el, iconButton, offer, setText } from "./element.js";
import { EVERYTHING, library } from "./library.js";

const TYPING_PAUSE = 180;

export class SearchBar {
  /** `askToEmpty` gets the button that it was pressed with. */
  constructor(openFolders, askToEmpty) {
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
    this.emptyTrash = el("button", { type: "button", class: "button", id: "history_empty", onclick: () => askToEmpty(this.emptyTrash) }, "Empty the trash");
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
    this.element = el("div", { class: "history-bar", role: "search" }, words, more, this.count, filters);
  }

  showEverything() {
    for (const name of ["words", "seed", "from", "to"]) this.fields[name].value = "";
    library.look(EVERYTHING);
  }

  /** Whether less than everything is looked for. */
  get filtered() {
    return Object.entries(library.search).some(([name, value]) => value !== EVERYTHING[name]);
  }

  draw() {
    const { facts, search, ids } = library;
    offer(this.fields.model, search.model, [["", "All models"], ...facts.models.map((name) => [name, name])]);
    const folders = facts.folders.map(({ id, path }) => [String(id), lastParts(path)]);
    offer(this.fields.folder, search.folder, [["", "All folders"], ["0", "Made here"], ...folders]);
    this.fields.folder.hidden = !folders.length && !search.folder;
    for (const name of ["starred", "trashed"]) this.fields[name].setAttribute("aria-pressed", String(search[name]));
    setText(this.fields.trashed.lastChild, facts.trashed ? `Trash (${facts.trashed.toLocaleString()})` : "Trash");
    this.clear.hidden = !this.filtered;
    this.emptyTrash.hidden = !search.trashed || !facts.trashed;
    const all = search.trashed ? facts.trashed : facts.pictures;
    const found = ids.length.toLocaleString();
    setText(this.count, ids.length === all ? (all === 1 ? "1 picture" : `${found} pictures`) : `${found} of ${all.toLocaleString()}`);
  }
}

const lastParts = (path) => path.split(/[\\/]/).filter(Boolean).slice(-2).join("/");
