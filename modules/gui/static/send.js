// Sending a picture anywhere, as an id and never a second upload.
//
// A tab that takes pictures registers once, as its module is loaded (main.js imports it):
//
//   import { registerTarget } from "./send.js";
//   registerTarget({
//     name: "img2img",   // unique; also what `send` calls it
//     tab: "img2img",    // the page shown afterwards: #tab_img2img. Also whose widgets take settings
//     label: "img2img",  // what the buttons say
//     order: 20,         // txt2img 10, img2img 20, inpaint 30, extras 40, PNG Info 50
//     picture: true,     // takes a picture: `receive` gets it
//     settings: true,    // takes settings: its widgets are set from the picture's text when the user wants that
//     receive: async ({ input, source }) => {},
//   });
//
// `input` is what POST /api/inputs answers: {id, width, height, url, infotext}. `source` is what was sent:
//   {picture}  one of the history, as the API describes it ({id, url, infotext, ...});
//   {input}    one that was stored before, as above;
//   {file}     a Blob that was dropped or chosen; it is uploaded once, however often it is sent;
//   {text}     settings without a picture.
// A target that wants the source itself (PNG Info) sets `stored: false`: then nothing is stored, and `input` is null.
// `receive` may throw `Refused`; its sentence is said where the user is.
//
// Every gallery offers the targets: `sendBar(() => source)` is a row of buttons, one click each, with the choice
// "with settings"; `sendMenu(button, source)` is the same as a menu for small places.
import { el, shownTab } from "./element.js";
import { say } from "./message.js";
import { useSettings } from "./prompt.js";
import { ask, upload } from "./server.js";
import { showTab } from "./tabs.js";
import { load, store } from "./values.js";

const KEY = "easel.send";
// What a picture that goes along has behind it: to be carried on once more is another wish.
const DONE = ["outpaint_left", "outpaint_right", "outpaint_up", "outpaint_down"];
const registry = new EventTarget();
const targets = new Map();

export function registerTarget({ picture = true, settings = false, stored = true, receive = null, ...target }) {
  targets.set(target.name, { picture, settings, stored, receive, ...target });
  registry.dispatchEvent(new Event("change"));
}

/** The targets that can do something with this source, in their order. */
export function targetsFor(source) {
  const fits = ({ picture, settings }) => (picture && holdsPicture(source)) || (settings && textOf(source) !== "");
  return [...targets.values()].filter(fits).sort((a, b) => a.order - b.order);
}

/** Sends a source to a target and shows its tab. Gives whether it arrived; if not, why is said on the page. */
export async function send(source, name, { settings = withSettings() } = {}) {
  const target = targets.get(name);
  const from = shownTab();
  try {
    const pictureToo = target.picture && holdsPicture(source);
    if (pictureToo) {
      await target.receive({ input: target.stored ? await inputOf(source) : null, source });
    }
    showTab(target.tab);
    if (target.settings && (settings || !target.picture)) await sendSettings(source, target.tab, pictureToo ? DONE : []);
    return true;
  } catch (refused) {
    say(from, refused.message, refused.hint);
    return false;
  }
}

async function sendSettings(source, tab, left) {
  const text = textOf(source) ?? (await inputOf(source)).infotext;
  if (text) await useSettings(tab, text, left);
  else say(tab, "The picture came without settings.", "", "note");
}

const uploads = new WeakMap();

/** The stored picture of a source: {id, width, height, url, infotext}. Files are uploaded once. Raises `Refused`. */
export async function inputOf(source) {
  if (source.input) return source.input;
  if (source.picture) return ask("/api/inputs", { picture: source.picture.id });
  if (!uploads.has(source.file)) uploads.set(source.file, await upload("/api/inputs", source.file));
  return uploads.get(source.file);
}

/** The settings text that came with a source; null while it is not known. */
function textOf(source) {
  return source.text ?? source.picture?.infotext ?? source.input?.infotext ?? uploads.get(source.file)?.infotext ?? null;
}

function holdsPicture(source) {
  return Boolean(source.picture || source.input || source.file);
}

function withSettings() {
  return load(KEY).settings ?? true;
}

/** A row of buttons, one for each target, and whether settings go along. `sourceNow` gives the source when asked. */
export function sendBar(sourceNow, { before = () => {} } = {}) {
  const row = el("span", { class: "send-targets" });
  const choice = settingsChoice();
  const bar = el("div", { class: "send", role: "group", "aria-label": "Send to" }, "Send to", row, choice);
  const draw = () => row.replaceChildren(...targetsFor(sourceNow() ?? {}).map((target) => button(target)));
  const button = (target) =>
    el(
      "button",
      {
        type: "button",
        class: "button",
        "data-send": target.name,
        title: `Send to ${target.label}`,
        onclick: () => (before(), send(sourceNow(), target.name)),
      },
      target.label,
    );
  registry.addEventListener("change", draw);
  draw();
  return Object.assign(bar, { draw });
}

/** Opens a menu of all targets beside `button`, with and without settings. */
export function sendMenu(button, source) {
  const items = targetsFor(source).flatMap(({ name, label, picture, settings }) => {
    if (!picture || !holdsPicture(source)) return [[name, `Settings to ${label}`, true]];
    const plain = [name, `To ${label}`, false];
    return settings && textOf(source) !== "" ? [plain, [name, `To ${label}, with settings`, true]] : [plain];
  });
  const menu = el(
    "div",
    { class: "menu", popover: "auto", role: "menu", "aria-label": "Send the picture" },
    ...items.map(([name, words, settings]) =>
      el("button", { type: "button", role: "menuitem", onclick: () => choose(name, settings) }, words),
    ),
  );
  const choose = (name, settings) => (menu.hidePopover(), send(source, name, { settings }));
  openMenu(menu, button);
}

/** Shows a menu at a button; arrows walk, Esc and clicks elsewhere close it, and focus returns to the button. */
export function openMenu(menu, button) {
  menu.addEventListener("keydown", (event) => walk(menu, event));
  menu.addEventListener("toggle", ({ newState }) => {
    if (newState === "open") return;
    menu.remove();
    if (document.activeElement === document.body) button.focus();
  });
  (button.closest("dialog") ?? document.body).append(menu);
  menu.showPopover();
  const at = button.getBoundingClientRect();
  const left = Math.min(at.left, innerWidth - menu.offsetWidth - 8);
  const below = at.bottom + 4 + menu.offsetHeight <= innerHeight;
  menu.style.left = `${Math.max(8, left)}px`;
  menu.style.top = `${below ? at.bottom + 4 : Math.max(8, at.top - 4 - menu.offsetHeight)}px`;
  menu.querySelector("button")?.focus();
}

function walk(menu, event) {
  const items = [...menu.querySelectorAll('[role="menuitem"]')];
  const at = items.indexOf(document.activeElement);
  const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
  if (!(event.key in steps)) return;
  event.preventDefault();
  event.stopPropagation();
  items[(steps[event.key] + items.length) % items.length].focus();
}

/** The box "with settings", which all galleries share. */
function settingsChoice() {
  const box = el("input", { type: "checkbox" });
  box.checked = withSettings();
  box.addEventListener("change", () => {
    store(KEY, { settings: box.checked });
    registry.dispatchEvent(new Event("choice"));
  });
  registry.addEventListener("choice", () => (box.checked = withSettings()));
  return el("label", { class: "send-settings", title: "Also set the widgets from the picture's text" }, box, "with settings");
}
