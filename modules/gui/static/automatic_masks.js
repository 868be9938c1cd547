// Masks that extensions make of a picture: a button that lists them, there only where there are any.
import { el, iconButton } from "./element.js";
import { openMenu } from "./send.js";
import { ask } from "./server.js";

/** The button; `look` of it asks which masks there are. `make` gets the name of the one that was chosen. */
export function automaticMasks(make) {
  let names = [];
  const button = iconButton("more", "Masks that extensions make", () => offer(), { hidden: true, "data-act": "masks" });

  function offer() {
    const choose = (name) => (menu.hidePopover(), make(name));
    const items = names.map((name) => el("button", { type: "button", role: "menuitem", onclick: () => choose(name) }, name));
    const menu = el("div", { class: "menu", popover: "auto", role: "menu", "aria-label": "Automatic masks" }, ...items);
    openMenu(menu, button);
  }

  async function look() {
    names = (await ask("/api/masks")).masks;
    button.hidden = !names.length;
  }

  return Object.assign(button, { look });
}
