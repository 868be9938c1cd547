// A picture's settings text under it, and what can be done with the picture.
import { el, iconButton, setText } from "./element.js";
import { enlarge } from "./enlarge.js";
import { inspect } from "./inspect.js";
import { say } from "./message.js";
import { reproduce } from "./png_info.js";
import { useSettings } from "./prompt.js";
import { sendBar } from "./send.js";
import { download } from "./viewer.js";

const HIRES_TAB = "txt2img";

/** Gives {element, show(picture or null, the job that makes one or null)}. */
export function story(tab) {
  let picture = null;
  let told = "";
  const text = el("div", { class: "story-text", id: `html_info_${tab}`, dir: "auto" });
  const file = el("p", { class: "story-file", dir: "auto" });
  const bar = sendBar(() => picture && { picture });
  const larger = iconButton("enlarge", "Paint this picture larger, as Hires. fix is set", () => enlarge(tab, picture), {
    text: "Hires",
  });
  const actions = el(
    "div",
    { class: "story-actions" },
    ...(tab === HIRES_TAB ? [larger] : []),
    iconButton("reuse", "Set the widgets as they were for this picture", () => useSettings(tab, picture.infotext), {
      text: "Reuse settings",
    }),
    iconButton("retry", "Paint this picture once more, and compare the two", () => reproduce({ picture }), { text: "Reproduce" }),
    iconButton("inspect", "See inside: steps, tokens, latents, VAE", () => inspect({ picture }), { text: "Inspect" }),
    iconButton("copy", "Copy the settings text", () => copy(tab, picture.infotext), { text: "Copy" }),
    iconButton("download", "Download the picture", () => download(picture), { text: "Download" }),
  );
  const element = el(
    "section",
    { class: "story", "aria-label": "Settings of the picture" },
    el("div", { class: "story-head" }, bar, actions),
    text,
    file,
  );

  return {
    element,
    show(next, making) {
      element.classList.toggle("story-untold", !next);
      element.classList.toggle("story-empty", !next && !making);
      const shown = next ? next.id : (making?.id ?? null);
      if (shown === told) return;
      [told, picture] = [shown, next];
      setText(file, next?.file?.split(/[\\/]/).slice(-3).join("/") ?? "");
      file.title = next?.file ?? "";
      bar.draw();
      text.replaceChildren(
        ...(next ? parts(next.infotext) : making ? [el("p", { class: "story-making" }, making.prompt)] : []),
      );
    },
  };
}

/** The text as it is, its prompt, negative prompt and settings told apart. */
export function parts(infotext) {
  const lines = infotext.split("\n");
  const last = /\bSteps: \d+/.test(lines.at(-1)) ? lines.pop() : null;
  const negative = lines.findIndex((line) => line.startsWith("Negative prompt:"));
  const words = (negative < 0 ? lines : lines.slice(0, negative)).join("\n");
  const without = negative < 0 ? "" : lines.slice(negative).join("\n");
  return [
    words && el("p", { class: "story-prompt", dir: "auto" }, words),
    without && el("p", { class: "story-negative", dir: "auto" }, without),
    last && el("p", { class: "story-settings" }, last),
  ].filter(Boolean);
}

async function copy(tab, text) {
  try {
    await navigator.clipboard.writeText(text);
    say(tab, "The settings text is copied.", "", "note");
  } catch {
    say(tab, "The browser does not allow copying here.", "Select the text and press Ctrl+C.");
  }
}
