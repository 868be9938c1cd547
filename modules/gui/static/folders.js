// Folders of pictures made elsewhere: adding one, reading it in place with progress, forgetting it.
import { el, iconButton, setText } from "./element.js";
import { library } from "./library.js";
import { ask } from "./server.js";
import { store } from "./store.js";

class Folders {
  constructor() {
    this.path = el("input", {
      type: "text",
      id: "history_folder_path",
      placeholder: "/path/to/stable-diffusion-webui/outputs",
      "aria-label": "Path of the folder",
      spellcheck: "false",
      autocomplete: "off",
    });
    this.list = el("ul", { class: "folders-list" });
    this.message = el("p", { class: "message message-error", role: "alert", dir: "auto" });
    this.add = el("button", { type: "submit", class: "button" }, "Add");
    const form = el("form", { class: "folders-add", method: "dialog" }, this.path, this.add);
    form.addEventListener("submit", (event) => (event.preventDefault(), this.addFolder()));
    this.dialog = el(
      "dialog",
      { class: "sheet", "aria-label": "Folders of pictures made elsewhere", id: "history_folders" },
      el(
        "div",
        { class: "sheet-head" },
        el("h2", {}, "Folders of pictures made elsewhere"),
        iconButton("close", "Close (Esc)", () => this.dialog.close()),
      ),
      el(
        "p",
        { class: "quiet" },
        "They are read where they lie, A1111's for instance. Nothing in them is copied, moved or changed.",
      ),
      form,
      this.message,
      this.list,
    );
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    library.addEventListener("list", () => this.draw());
    store.watch(["indexing"], () => this.draw());
    document.body.append(this.dialog);
  }

  async open() {
    this.say(null);
    await library.refresh();
    this.dialog.showModal();
    this.path.focus();
  }

  draw() {
    const { folders } = library.facts;
    const reading = store.indexing?.state === "running";
    this.add.disabled = reading;
    this.list.replaceChildren(...folders.map((folder) => this.entry(folder, reading)));
  }

  entry(folder, reading) {
    const progress = store.indexing?.folder === folder.id ? store.indexing : null;
    const runs = progress?.state === "running";
    const act = (what) => this.attempt(() => ask(`/api/library/folders/${folder.id}/${what}`, {}));
    return el(
      "li",
      { class: "folder", "data-folder": folder.id },
      el("p", { class: "folder-path", title: folder.path }, el("bdi", {}, folder.path)),
      el("p", { class: "folder-state" }, progress ? told(progress) : standing(folder)),
      el(
        "div",
        { class: "folder-actions" },
        runs && el("button", { type: "button", class: "button", onclick: stopReading }, "Stop"),
        !runs && iconButton("refresh", "Read what is new or changed", () => act("read"), { disabled: reading }),
        !runs && iconButton("close", "Take it out of the history; its files stay", () => act("remove"), { disabled: reading }),
      ),
      runs && bar(progress),
    );
  }

  addFolder() {
    return this.attempt(async () => {
      await ask("/api/library/folders", { path: this.path.value });
      this.path.value = "";
    });
  }

  async attempt(work) {
    this.say(null);
    try {
      await work();
      await library.refresh();
    } catch (refused) {
      this.say(refused);
    }
  }

  say(refused) {
    this.message.hidden = !refused;
    this.message.replaceChildren(...(refused ? [el("strong", {}, refused.message), ` ${refused.hint ?? ""}`] : []));
  }
}

const stopReading = () => ask("/api/library/stop", {}).catch(() => null);

function standing({ pictures, read }) {
  const when = read ? `read on ${new Date(read * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}` : "not read to its end";
  return `${pictures.toLocaleString()} pictures · ${when}`;
}

function told({ state, done, total, added, changed, gone, unreadable, message }) {
  if (state === "failed") return message;
  const counts = [
    [added, "new"],
    [changed, "changed"],
    [gone, "gone"],
    [unreadable, "unreadable"],
  ];
  const found = counts.filter(([count]) => count).map(([count, what]) => `${count.toLocaleString()} ${what}`);
  const first = state === "running" ? `${done.toLocaleString()} of ${total.toLocaleString()} files` : state === "stopped" ? "Stopped" : "Read";
  return [first, ...(found.length || state === "running" ? found : ["nothing new"])].join(" · ");
}

function bar({ done, total }) {
  const fill = el("i");
  fill.style.setProperty("--fraction", total ? done / total : 0);
  const facts = { "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": total, "aria-valuenow": done };
  return el("div", { class: "bar", role: "progressbar", ...facts }, fill);
}

let folders = null;

export function openFolders() {
  folders ??= new Folders();
  folders.open();
}

/** A line that says how far a reading is, for as long as it runs. */
export function readingLine() {
  const words = el("span");
  const line = el(
    "p",
    { class: "history-reading", role: "status", hidden: true },
    words,
    el("button", { type: "button", class: "source-ask", onclick: stopReading }, "Stop"),
  );
  store.watch(["indexing"], () => {
    line.hidden = store.indexing?.state !== "running";
    if (!line.hidden) setText(words, `Reading ${store.indexing.path}: ${told(store.indexing)}`);
  });
  return line;
}
