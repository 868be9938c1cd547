// Small pictures anywhere on the page can be sent on: a button appears on the one that is pointed at; on touch screens
// holding it does the same.
import { iconButton } from "./element.js";
import { sendMenu } from "./send.js";

const THUMB = ".thumb[data-picture], .cell[data-picture]";
let shown = null;

const button = iconButton("send", "Send to…", () => shown?.picture && sendMenu(button, { picture: shown.picture }), {
  class: "button thumb-send",
  hidden: true,
  tabindex: "-1",
});
document.body.append(button);

document.addEventListener("pointerover", (event) => {
  if (event.pointerType === "touch" || event.target === button || button.contains(event.target)) return;
  const thumb = event.target.closest?.(THUMB);
  shown = thumb?.picture && !thumb.picture.trashed ? thumb : null;
  button.hidden = !shown;
  if (!shown) return;
  const box = shown.getBoundingClientRect();
  button.style.translate = `${box.right}px ${box.top}px`;
});

for (const moves of ["scroll", "keydown"])
  document.addEventListener(moves, () => (button.hidden = true), { capture: true, passive: true });

document.addEventListener("contextmenu", (event) => {
  const thumb = event.target.closest?.(".thumb[data-picture]");
  if (event.pointerType !== "touch" || !thumb?.picture) return;
  event.preventDefault();
  sendMenu(thumb, { picture: thumb.picture });
});
