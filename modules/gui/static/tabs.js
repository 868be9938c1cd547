// The top-level tabs. All pages are mounted; one is shown, and remembered in the address.
import { mounted } from "./element.js";

const sheet = new CSSStyleSheet();
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

class Tabs extends HTMLElement {
  connectedCallback() {
    this.buttons = [...this.querySelectorAll('[role="tab"]')];
    for (const button of this.buttons) {
      button.addEventListener("click", () => this.show(button, true));
      mounted(`#${button.getAttribute("aria-controls")}`).then((page) => {
        page.setAttribute("role", "tabpanel");
        page.setAttribute("aria-labelledby", button.id);
      });
    }
    this.addEventListener("keydown", (event) => this.walk(event));
    window.addEventListener("hashchange", () => this.show(this.fromAddress()));
    this.show(this.fromAddress());
    new ResizeObserver(() => this.reveal()).observe(this);
  }

  /** On a narrow window the bar of tabs scrolls; the one shown is in sight. */
  reveal() {
    this.shown.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  fromAddress() {
    const wanted = decodeURIComponent(location.hash.slice(1));
    return this.buttons.find((button) => nameOf(button) === wanted) ?? this.buttons[0];
  }

  show(shown, remember = false) {
    for (const button of this.buttons) {
      button.setAttribute("aria-selected", String(button === shown));
      button.tabIndex = button === shown ? 0 : -1;
    }
    this.shown = shown;
    this.reveal();
    sheet.replaceSync(`.page#${CSS.escape(shown.getAttribute("aria-controls"))} { display: flex !important; }`);
    document.body.dataset.tab = nameOf(shown);
    if (remember) history.replaceState(null, "", `#${nameOf(shown)}`);
  }

  walk(event) {
    const at = this.buttons.indexOf(document.activeElement);
    const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.buttons.length - 1 };
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    const next = this.buttons[(steps[event.key] + this.buttons.length) % this.buttons.length];
    next.focus();
    this.show(next, true);
  }
}

/** Shows a page by its name, as in `tab_txt2img`. */
export function showTab(name) {
  document.getElementById(`tab_${name}-button`)?.click();
}

function nameOf(button) {
  return button.getAttribute("aria-controls").replace(/^tab_/, "");
}

customElements.define("easel-tabs", Tabs);
