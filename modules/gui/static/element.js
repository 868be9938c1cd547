// Making and finding elements. Text always becomes a text node: what users write is never read as HTML.

/** el("button", {class: "x", onclick: f, "aria-label": "…", disabled: true}, "text", child) */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

/** A button with an icon; the label is read aloud, shown as a tooltip, and as text where `text` is set. */
export function iconButton(icon, label, onclick, { text = false, ...attributes } = {}) {
  const image = el("span", { class: `icon icon-${icon}`, "aria-hidden": "true" });
  return el(
    "button",
    {
      type: "button",
      class: text ? "button" : "button bare",
      title: label,
      "aria-label": label,
      onclick,
      ...attributes,
    },
    image,
    text && el("span", { class: "button-text" }, text),
  );
}

/** Sets an attribute or a text only when it changes, so that screen readers and layouts are not disturbed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Puts options into a list, only where they are others than before. */
export function offer(list, value, options) {
  const now = JSON.stringify(options);
  if (list.dataset.options !== now) {
    list.dataset.options = now;
    list.replaceChildren(...options.map(([name, words]) => el("option", { value: name }, words)));
  }
  list.value = value;
}

const waiting = new Map();
let observer = null;

/** Resolves with the first element that matches, now or as soon as Gradio mounts it. */
export function mounted(selector) {
  const found = document.querySelector(selector);
  if (found) return Promise.resolve(found);
  return new Promise((resolve) => {
    waiting.set(selector, [...(waiting.get(selector) ?? []), resolve]);
    observer ??= new MutationObserver(settle);
    observer.observe(document.body, { childList: true, subtree: true });
  });
}

function settle() {
  for (const [selector, resolves] of waiting) {
    const found = document.querySelector(selector);
    if (!found) continue;
    waiting.delete(selector);
    for (const resolve of resolves) resolve(found);
  }
  if (!waiting.size) observer.disconnect();
}

/** The tab whose page is shown, as in `tab_txt2img`. */
export function shownTab() {
  return document.body.dataset.tab ?? "txt2img";
}
