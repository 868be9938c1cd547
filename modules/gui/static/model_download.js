// Getting models from the internet: any address, the well-known ones with one click, and how far each download is.
import { el, iconButton, setText } from "./element.js";
import { ask } from "./server.js";
import { KINDS, size } from "./shelf.js";
import { store } from "./store.js";

const ENDS = ["finished", "stopped", "failed"];
let sheet = null;

export function openModelDownload() {
  sheet ??= new Sheet();
  sheet.open();
}

class Sheet {
  offers = [];

  constructor() {
    this.address = el("input", { type: "text", id: "models_get_address", placeholder: "https://… or owner/name/file.safetensors", "aria-label": "Address of a model file", autocomplete: "off", spellcheck: "false" });
    const kinds = [["", "Folder: by what it is"], ...KINDS.map(([kind, label]) => [kind, `Folder: ${label}`])];
    this.kind = el("select", { "aria-label": "Folder", id: "models_get_kind" }, ...kinds.map(([value, label]) => el("option", { value }, label)));
    this.hash = el("input", { type: "text", id: "models_get_sha256", placeholder: "SHA-256, to check it (optional)", "aria-label": "SHA-256", autocomplete: "off", spellcheck: "false" });
    const form = el("form", { class: "get-form", method: "dialog" }, this.address, el("button", { type: "submit", class: "button" }, "Download"), this.kind, this.hash);
    form.addEventListener("submit", (event) => (event.preventDefault(), this.addTyped()));
    this.message = el("p", { class: "message message-error", role: "alert", hidden: true });
    this.running = el("ul", { class: "folders-list", id: "models_get_running" });
    this.known = el("ul", { class: "folders-list" });
    this.dialog = el(
      "dialog",
      { class: "sheet", "aria-label": "Get models", id: "models_get_sheet" },
      el("div", { class: "sheet-head" }, el("h2", {}, "Get models"), iconButton("close", "Close (Esc)", () => this.dialog.close())),
      el("p", { class: "quiet" }, "Paste the address of a file: of any website, of its page at Hugging Face, or of a Civitai download. It is put into the folder of its kind."),
      form,
      this.message,
      this.running,
      el("h3", { class: "get-title" }, "Where many begin"),
      this.known,
    );
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    document.body.append(this.dialog);
    this.rows = new Map();
    store.watch(["downloads"], () => this.draw());
    store.addEventListener("models", () => this.dialog.open && this.look());
  }

  open() {
    this.say(null);
    this.dialog.showModal();
    this.address.focus();
    this.attempt(() => this.look());
  }

  async look() {
    this.offers = (await ask("/api/downloads")).offers;
    this.drawOffers();
  }

  addTyped() {
    return this.attempt(async () => {
      await ask("/api/downloads", { address: this.address.value, kind: this.kind.value, sha256: this.hash.value });
      this.address.value = this.hash.value = "";
    });
  }

  draw() {
    const downloads = [...store.downloads.values()].reverse();
    const ids = new Set(downloads.map(({ id }) => id));
    for (const [id, row] of this.rows) if (!ids.has(id)) (row.element.remove(), this.rows.delete(id));
    for (const download of downloads) {
      if (!this.rows.has(download.id)) this.rows.set(download.id, new Row(download.id, (work) => this.attempt(work)));
      this.rows.get(download.id).draw(download);
    }
    const wanted = downloads.map(({ id }) => this.rows.get(id).element);
    if (wanted.some((element, at) => this.running.children[at] !== element)) this.running.replaceChildren(...wanted);
    this.drawOffers();
  }

  drawOffers() {
    const busy = new Set([...store.downloads.values()].filter(({ state }) => state !== "finished").map(({ name }) => name));
    const shown = JSON.stringify([[...busy], this.offers.map(({ there }) => there)]);
    if (shown === this.shown) return;
    this.shown = shown;
    const rows = this.offers.map((offer) => {
      const get = () => this.attempt(() => ask("/api/downloads", { address: offer.address, sha256: offer.sha256 }));
      const action = offer.there ? el("span", { class: "quiet" }, "You have it") : el("button", { type: "button", class: "button", disabled: busy.has(offer.file), onclick: get, "aria-label": `Download ${offer.name}` }, "Download");
      return el(
        "li",
        { class: "folder get-offer", "data-file": offer.file },
        el("p", { class: "get-name" }, el("strong", {}, offer.name), ` ${offer.about}`),
        el("p", { class: "folder-state" }, [offer.family || "Upscaler", `${offer.gb} GB`, offer.licence].join(" · ")),
        el("div", { class: "folder-actions" }, action),
      );
    });
    this.known.replaceChildren(...rows);
  }

  async attempt(work) {
    this.say(null);
    try {
      await work();
    } catch (refused) {
      this.say(refused);
    }
  }

  say(refused) {
    this.message.hidden = !refused;
    this.message.replaceChildren(...(refused ? [el("strong", {}, refused.message), ` ${refused.hint ?? ""}`] : []));
  }
}

/** One download: its name, how it stands, what can be done. Its elements stay, so that a click never misses. */
class Row {
  constructor(id, attempt) {
    const act = (what) => () => attempt(() => ask(`/api/downloads/${id}/${what}`, {}));
    this.name = el("bdi");
    this.state = el("p", { class: "folder-state" });
    this.stop = el("button", { type: "button", class: "button", onclick: act("stop") }, "Stop");
    this.resume = el("button", { type: "button", class: "button", onclick: act("resume") }, "Resume");
    this.remove = iconButton("close", "Take it off the list, with what has arrived of it", act("remove"));
    this.fill = el("i");
    this.bar = el("div", { class: "bar", role: "progressbar", "aria-label": "Progress" }, this.fill);
    this.element = el("li", { class: "folder", "data-download": id }, el("p", { class: "folder-path" }, this.name), this.state, el("div", { class: "folder-actions" }, this.stop, this.resume, this.remove), this.bar);
  }

  draw(download) {
    const over = ENDS.includes(download.state);
    this.element.dataset.state = download.state;
    setText(this.name, download.name);
    setText(this.state, told(download));
    this.stop.hidden = over;
    this.resume.hidden = !["stopped", "failed"].includes(download.state);
    setText(this.resume, download.received ? "Resume" : "Try again");
    this.remove.hidden = !over;
    this.remove.title = download.state === "finished" ? "Take it off the list" : "Take it off the list, with what has arrived of it";
    this.bar.hidden = download.state === "finished" || !download.total || (over && !download.received);
    this.fill.style.setProperty("--fraction", download.total ? download.received / download.total : 0);
    this.bar.setAttribute("aria-valuenow", Math.round((100 * download.received) / (download.total || 1)));
  }
}

function told({ state, received, total, speed, seconds_left, message, hint, host, placed, known_as }) {
  if (state === "finished") return `It is there: ${known_as}. ${placed}`;
  const amount = total ? `${size(received)} of ${size(total)}` : size(received);
  if (state === "failed") return [`${message} ${hint}`.trim(), received && amount].filter(Boolean).join(" · ");
  if (state === "stopped") return [message || "Stopped", received && amount].filter(Boolean).join(" · ");
  if (state === "waiting") return `Waits for its turn · ${host}`;
  if (state === "checking") return `Being checked · ${amount}`;
  if (message) return received ? `${message} · ${amount}` : message;
  return [amount, speed && `${size(speed)}/s`, seconds_left && `${duration(seconds_left)} left`, host].filter(Boolean).join(" · ");
}

function duration(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** A line on the Models tab while something is on its way. */
export function downloadLine() {
  const words = el("span");
  const line = el("p", { class: "get-line", role: "status", hidden: true }, words, el("button", { type: "button", class: "source-ask", onclick: openModelDownload }, "Show"));
  store.watch(["downloads"], () => {
    const going = [...store.downloads.values()].filter(({ state }) => !ENDS.includes(state));
    const first = going.find(({ state }) => state !== "waiting") ?? going[0];
    line.hidden = !first;
    if (first) setText(words, `${first.name}: ${told(first)}${going.length > 1 ? ` · ${going.length - 1} more` : ""}`);
  });
  return line;
}
