// Beside the grid of the history: the chosen picture with its story, or what can be done with several.
import { el, iconButton } from "./element.js";
import { inspect } from "./inspect.js";
import { reproduce } from "./png_info.js";
import { send, sendBar } from "./send.js";
import { store } from "./store.js";
import { parts } from "./story.js";

const SEVERAL = 4; // small pictures shown of a selection
const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

/** Gives {element, show(pictures, count, trashed)}. `acts`: what the buttons do, by name. */
export function inspector(acts) {
  const element = el("aside", { class: "inspector", "aria-label": "The chosen pictures" });
  let picture = null;
  const bar = sendBar(() => picture && { picture });
  let told = "";

  return {
    element,
    show(pictures, count, trashed) {
      const now = JSON.stringify([pictures, count, trashed]);
      if (now === told) return;
      told = now;
      picture = count === 1 ? pictures[0] : null;
      element.classList.toggle("inspector-none", count === 0);
      if (count === 0) return element.replaceChildren(...hint(trashed));
      if (!picture && count === 1) return element.replaceChildren();
      bar.draw();
      const several = count > 1 ? heap(acts, pictures, count) : [];
      const buttons = actions(acts, pictures, count, trashed);
      element.replaceChildren(...(count > 1 ? [...several, buttons] : single(acts, picture, buttons, trashed ? null : bar)));
    },
  };
}

function single(acts, picture, buttons, bar) {
  const open = { type: "button", class: "inspector-picture", "aria-label": "Full screen", onclick: acts.open };
  const missing = picture.missing && el("p", { class: "inspector-missing" }, "The file is no longer there.");
  return [
    el("button", open, picture.missing ? missing : el("img", { src: picture.url, alt: picture.prompt.slice(0, 200) })),
    head(acts, facts(picture)),
    buttons,
    bar,
    el("div", { class: "story-text inspector-story", dir: "auto" }, ...parts(picture.infotext)),
    el("p", { class: "inspector-file", title: picture.file }, el("bdi", {}, picture.file)),
  ].filter(Boolean);
}

function facts({ width, height, seed, created }) {
  const when = new Date(created * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return [`${width} × ${height}`, seed >= 0 && `seed ${seed}`, when].filter(Boolean).join(" · ");
}

function head(acts, words) {
  const clear = iconButton("close", "Choose nothing (Esc)", acts.none);
  return el("div", { class: "inspector-head" }, el("p", { class: "inspector-facts" }, words), clear);
}

function heap(acts, pictures, count) {
  const shown = pictures.slice(0, SEVERAL).map(({ thumbnail }) => el("img", { src: thumbnail, alt: "" }));
  return [
    el("div", { class: "inspector-heap" }, ...shown),
    head(acts, `${count.toLocaleString()} pictures are chosen`),
  ];
}

function actions(acts, pictures, count, trashed) {
  const one = count === 1 ? pictures[0] : null;
  if (trashed) return el("div", { class: "inspector-actions" }, worded("undo", "Restore", "Take out of the trash", acts.restore));
  const starred = pictures.length > 0 && pictures.every((picture) => picture.starred);
  const local = LOCAL.includes(location.hostname);
  return el(
    "div",
    { class: "inspector-actions" },
    iconButton(starred ? "starred" : "star", starred ? "Take the star away (F)" : "Star (F)", acts.star, { "aria-pressed": String(starred) }),
    iconButton("clear", "Move to the trash (Del)", acts.trash),
    iconButton("download", "Download (S)", acts.download),
    one && local && iconButton("folder", "Show in folder", acts.reveal),
    one?.infotext && iconButton("copy", "Copy the settings text", acts.copy),
    count === 2 && worded("compare", "Compare", "Compare with a slider (C)", acts.compare),
    one?.infotext && worded("retry", "Reproduce", "Paint this picture once more, and compare the two", () => reproduce({ picture: one })),
    one?.infotext && worded("inspect", "Inspect", "See inside: steps, tokens, latents, VAE", () => inspect({ picture: one })),
    one?.infotext && worded("reuse", "Reuse settings", "Set the widgets as they were for this picture (R)", acts.reuse),
  );
}

function worded(icon, text, label, does) {
  return iconButton(icon, label, does, { text });
}

/** Sets the widgets of the tab that made a picture, else of txt2img. */
export function reuse(picture) {
  return send({ text: picture.infotext }, store.jobs.get(picture.job)?.tab ?? "txt2img");
}

const KEYS = [
  ["Click", "choose"],
  ["Ctrl or Shift + click", "choose several"],
  ["Double click, Enter", "full screen"],
  ["Arrows", "walk"],
  ["F", "star"],
  ["Del", "move to the trash"],
  ["Ctrl+Z", "undo that"],
  ["C", "compare two"],
  ["R", "reuse settings"],
  ["S", "download"],
];

function hint(trashed) {
  const words = trashed ? "What lies here can be restored until the trash is emptied." : "Choose a picture to see its story.";
  const rows = KEYS.flatMap(([keys, does]) => [el("dt", {}, keys), el("dd", {}, does)]);
  return [el("p", { class: "quiet" }, words), !trashed && el("dl", { class: "inspector-keys" }, ...rows)].filter(Boolean);
}
