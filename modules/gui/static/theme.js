// Light, dark, or as the system is.
import { iconButton } from "./element.js";
import { load, store } from "./values.js";

const KEY = "easel.theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const LABEL = { system: "Colours: as the system", light: "Colours: light", dark: "Colours: dark" };
const dark = matchMedia("(prefers-color-scheme: dark)");
let chosen = load(KEY).chosen ?? "system";

function paint() {
  const asked = new URL(location.href).searchParams.get("__theme");
  const isDark = chosen === "dark" || (chosen === "system" && (asked ? asked === "dark" : dark.matches));
  document.body.classList.toggle("dark", isDark);
  document.documentElement.style.colorScheme = isDark ? "dark" : "light";
}

class Theme extends HTMLElement {
  connectedCallback() {
    this.draw();
  }

  draw() {
    const button = iconButton(`theme-${chosen}`, LABEL[chosen], () => {
      chosen = NEXT[chosen];
      store(KEY, { chosen });
      paint();
      this.draw();
      this.firstChild.focus();
    });
    this.replaceChildren(button);
  }
}

customElements.define("easel-theme", Theme);
dark.addEventListener("change", () => setTimeout(paint)); // after Gradio, which follows the system too
paint();
