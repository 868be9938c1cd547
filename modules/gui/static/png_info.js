// The PNG Info tab: what a picture says about itself, where it can go from here, and how it comes out once more.
import { takeFiles } from "./dropping.js";
import { el, iconButton, setText } from "./element.js";
import { say } from "./message.js";
import { registerTarget, sendBar } from "./send.js";
import { ask, upload } from "./server.js";
import { reproducing } from "./reproducing.js";
import { showTab } from "./tabs.js";
import { download } from "./viewer.js";

const TAB = "png_info";
const PATH = "/api/png-info";

class PngInfo extends HTMLElement {
  source = null; // as send.js describes them
  told = null; // what the server says about it
  address = ""; // of a file's own picture, given back when another one comes

  connectedCallback() {
    if (this.frame) return;
    this.build();
    takeFiles(this, TAB, ([file]) => this.show({ file }));
  }

  build() {
    this.file = el("input", { type: "file", accept: "image/*", hidden: true });
    this.file.addEventListener("change", () => this.file.files.length && this.show({ file: this.file.files[0] }));
    this.picture = el("img", { class: "info-image", alt: "", hidden: true });
    this.invite = el(
      "button",
      { type: "button", class: "board-invite", onclick: () => this.file.click() },
      el("strong", {}, "Drop any picture here"),
      el("span", {}, "or paste it with Ctrl+V, or click to choose a file"),
    );
    this.frame = el("div", { class: "info-frame", id: "png_info_image" }, this.picture, this.invite);
    this.facts = el("p", { class: "info-facts" });
    this.bar = sendBar(() => this.sourceToSend());
    this.actions = el(
      "div",
      { class: "info-actions" },
      iconButton("open", "Another picture", () => this.file.click(), { text: "Another" }),
      iconButton("download", "Download the same picture without what it says", () => this.strip(), { text: "Strip and download", id: "png_info_strip" }),
      iconButton("close", "Remove the picture", () => this.clear()),
    );
    this.told_ = el("div", { class: "info-told", id: "png_info_told", dir: "auto" });
    this.again = reproducing(TAB);
    const left = el("section", { class: "info-left", "aria-label": "The picture" }, this.file, this.frame, this.facts, this.actions, this.bar);
    const right = el("section", { class: "info-right", "aria-label": "What it says" }, el("easel-message", { tab: TAB }), this.told_, this.again.element);
    this.append(left, right);
    this.clear();
  }

  /** Where buttons send the picture: to all tabs but this one, with the text that the server found. */
  sourceToSend() {
    return this.told && { ...this.source, text: this.told.text };
  }

  clear() {
    this.source = this.told = null;
    this.draw();
  }

  /** Shows what a source is and says: {file}, {picture} or {input}. Raises `Refused`. */
  async show(source) {
    this.file.value = "";
    say(TAB, "");
    try {
      const { picture, input, file } = source;
      this.told = file ? await upload(PATH, file) : await ask(PATH, picture ? { picture: picture.id } : { input: input.id });
      this.source = source;
    } catch (refused) {
      return say(TAB, refused.message, refused.hint);
    }
    this.draw();
  }

  draw() {
    URL.revokeObjectURL(this.address);
    this.address = this.source?.file ? URL.createObjectURL(this.source.file) : "";
    const { source, told } = this;
    this.classList.toggle("info-empty", !told);
    for (const part of [this.picture, this.facts, this.actions, this.bar]) part.hidden = !told;
    this.invite.hidden = Boolean(told);
    this.again.show(told?.text ? { source, told, url: this.url() } : null);
    if (!told) return this.told_.replaceChildren();
    this.picture.src = this.url();
    const named = source.file?.name ?? source.picture?.name ?? "";
    setText(this.facts, [named, `${told.width} × ${told.height}`, told.format, told.mode].filter(Boolean).join(" · "));
    this.bar.draw();
    this.told_.replaceChildren(...[...this.settings(), ...this.rest()].filter(Boolean));
  }

  url() {
    return this.address || this.source?.picture?.url || this.source?.input?.url || "";
  }

  settings() {
    const { told } = this;
    if (!told.text) return [el("p", { class: "info-none" }, "The picture says nothing about how it was made.")];
    const wrote = told.translated ? `Read from what ${told.program} wrote` : told.program && `Written by ${told.program}`;
    const copy = (text, what) => iconButton("copy", `Copy ${what}`, () => this.copy(text, what));
    const words = (label, text, what) =>
      text && el("div", { class: "info-words" }, el("h3", {}, label), copy(text, what), el("p", {}, text));
    const rows = told.entries.flatMap(({ key, value }) => [el("dt", {}, key), el("dd", {}, value)]);
    return [
      wrote && el("p", { class: "info-program" }, wrote),
      words("Prompt", told.prompt, "the prompt"),
      words("Negative prompt", told.negative_prompt, "the negative prompt"),
      rows.length > 0 && el("dl", { class: "info-entries" }, ...rows),
      told.problems.length > 0 &&
        el("div", { class: "info-problems" }, el("h3", {}, "What cannot be taken over"), el("ul", {}, ...told.problems.map((one) => el("li", {}, one)))),
      el(
        "details",
        { class: "info-raw" },
        el("summary", {}, "The text as it is"),
        el("div", { class: "info-words" }, copy(told.text, "the settings text"), el("pre", { id: "html_info_png_info" }, told.text)),
      ),
    ];
  }

  /** Whatever else is in the file. */
  rest() {
    return this.told.others.map(({ key, value, cut }) =>
      el(
        "details",
        { class: "info-raw" },
        el("summary", {}, key, el("span", {}, cut ? ` · the first ${value.length.toLocaleString()} characters` : ` · ${value.length.toLocaleString()} characters`)),
        el("div", { class: "info-words" }, iconButton("copy", `Copy ${key}`, () => this.copy(value, key)), el("pre", {}, pretty(value))),
      ),
    );
  }

  async copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      say(TAB, `Copied ${what}.`, "", "note");
    } catch {
      say(TAB, "The browser does not allow copying here.", "Select the text and press Ctrl+C.");
    }
  }

  async strip() {
    const { file, picture, input } = this.source;
    const named = JSON.stringify(picture ? { picture: picture.id } : { input: input?.id });
    const [body, type] = file ? [file, "application/octet-stream"] : [named, "application/json"];
    try {
      const answer = await fetch(`${PATH}/stripped`, { method: "POST", headers: { "Content-Type": type }, body });
      if (!answer.ok) {
        const { message, hint } = await answer.json();
        return say(TAB, message, hint);
      }
      const blob = await answer.blob();
      const url = URL.createObjectURL(blob);
      const base = (file?.name ?? picture?.name ?? "picture").replace(/\.[^.]*$/, "");
      download({ url, name: `${base}-plain.${blob.type.split("/")[1].replace("jpeg", "jpg")}` });
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      say(TAB, "The picture without what it says is downloaded.", blob.type === file?.type || !file ? "" : "Its format cannot be stripped as it is: it became PNG.", "note");
    } catch {
      say(TAB, "The server does not answer.", "Try again when it is back.");
    }
  }
}

/** JSON on many lines, anything else as it is. */
function pretty(text) {
  try {
    return text.startsWith("{") && text.length < 50_000 ? JSON.stringify(JSON.parse(text), null, 2) : text;
  } catch {
    return text; // it only looks like JSON
  }
}

customElements.define("easel-png-info", PngInfo);

/** Shows a picture on this tab, paints it once more, and compares the two. */
export async function reproduce(source) {
  const element = document.querySelector("easel-png-info");
  showTab(TAB);
  await element.show(source);
  if (element.told?.text) await element.again.start();
}

registerTarget({
  name: TAB,
  tab: TAB,
  label: "PNG Info",
  order: 50,
  stored: false,
  receive: ({ source }) => document.querySelector("easel-png-info").show(source),
});
