// Shortcuts: Ctrl+Enter generates, Alt+Enter skips, Esc interrupts, Ctrl+Up and Ctrl+Down change a weight.
import { shownTab } from "./element.js";
import { changeWeight } from "./prompt.js";
import { stop } from "./stops.js";
import { store } from "./store.js";

document.addEventListener(
  "keydown",
  (event) => {
    const control = event.ctrlKey || event.metaKey;
    if (event.key === "Enter" && control)
      press(event, () => document.getElementById(`${shownTab()}_generate`)?.click());
    else if (event.key === "Enter" && event.altKey) press(event, () => stop("skip"));
    else if (event.key === "Escape" && store.running && !somethingIsOpen(event)) press(event, () => stop("interrupt"));
    else if (control && (event.key === "ArrowUp" || event.key === "ArrowDown") && isPrompt(event.target)) {
      press(event, () => changeWeight(event.target, event.key === "ArrowUp" ? 1 : -1));
    }
  },
  true,
);

function press(event, act) {
  event.preventDefault();
  event.stopPropagation();
  act();
}

/** Esc belongs to an open dialogue, menu, list of choices, choice of pictures or input method first. */
function somethingIsOpen(event) {
  return (
    event.isComposing ||
    document.querySelector("dialog[open], [popover]:popover-open") ||
    event.target.closest?.("[data-chosen]") ||
    event.target.getAttribute?.("aria-expanded") === "true"
  );
}

function isPrompt(target) {
  return target.matches?.('textarea[id], [id$="_prompt"] textarea');
}
