// A prompt as the text encoder reads it: tokens with numbers and weights, chunks and their borders, texts in time.
import { el } from "./element.js";
import { attempt } from "./message.js";
import { ask } from "./server.js";

const TAB = "inspect";
const BORDERS = {
  BREAK: "BREAK",
  comma: "the words after the last comma moved on, to stay together",
  full: "full: the text goes on in the next chunk",
};

/** Gives {element, show(about), leave()}. */
export function promptView() {
  const element = el("div", { class: "inside-page inside-prompts" });
  let about = null;

  async function show(next) {
    about = next;
    const asked = next.values ?? (next.picture ? { picture: next.picture.id } : { job: next.job.id });
    const answer = await attempt(() => ask("/api/inspections/prompts", asked), TAB);
    if (!answer || about !== next) return;
    const several = answer.passes.length > 1;
    element.replaceChildren(
      el("p", { class: "hint" }, "A token is what the model knows as one word or piece of a word. Chunks of 75 are encoded apart, each as one thought. Orange tokens weigh more than 1, blue ones less."),
      ...answer.passes.flatMap((pass, i) => [
        several && el("h3", { class: "inside-pass" }, i ? "Hires pass" : "First pass"),
        prompt("Prompt", pass.prompt),
        prompt("Negative prompt", pass.negative_prompt),
      ]).filter(Boolean),
    );
  }

  return {
    element,
    show,
    leave() {
      about = null;
      element.replaceChildren();
    },
  };
}

function prompt(title, { parts, steps, networks, remarks }) {
  return el(
    "section",
    { class: "inside-section inside-prompt", "aria-label": title },
    el("h3", {}, title),
    ...parts.flatMap((part, i) => [i > 0 && el("p", { class: "inside-and" }, "AND"), partBox(part, steps, parts.length > 1)]).filter(Boolean),
    networks.length > 0 && el("p", { class: "inside-networks" }, "Taken out before it is read: ", ...networks.map((one) => el("code", {}, one))),
    ...remarks.map((one) => el("p", { class: "remarks" }, one)),
  );
}

function partBox({ weight, texts, changes }, steps, weighed) {
  const hidden = changes - texts.length;
  return el(
    "div",
    { class: "inside-part" },
    weighed && el("p", { class: "inside-weight" }, `weight ${weight}`),
    ...texts.map((text) => textBox(text, steps, changes > 1)),
    hidden > 0 && el("p", { class: "hint" }, `${hidden} more texts follow.`),
  );
}

/** A text with a bar of the steps in which it holds. */
function textBox({ steps: held, chunks }, steps, changing) {
  const words = held.map(([from, to]) => (from === to ? from : `${from}–${to}`)).join(", ");
  const label = held.length === 1 && held[0][0] === held[0][1] ? `Step ${words}` : `Steps ${words}`;
  const bar = el(
    "div",
    { class: "inside-time", "aria-hidden": "true" },
    ...held.map(([from, to]) => {
      const piece = el("i");
      piece.style.left = `${(100 * (from - 1)) / steps}%`;
      piece.style.width = `${(100 * (to - from + 1)) / steps}%`;
      return piece;
    }),
  );
  return el(
    "div",
    { class: "inside-text" },
    changing && el("div", { class: "inside-when" }, el("span", {}, label), bar),
    ...chunks.flatMap((chunk, i) => chunkBox(chunk, i + 1)),
  );
}

function chunkBox({ tokens, border, room }, number) {
  const free = room - tokens.length;
  const box = el(
    "div",
    { class: "inside-chunk" },
    el("p", { class: "inside-chunk-head" }, `Chunk ${number}`, el("span", {}, `${tokens.length} of ${room} tokens`)),
    el(
      "div",
      { class: "inside-tokens" },
      ...tokens.map(token),
      free > 0 && el("span", { class: "token token-free", title: "Filled up with padding" }, el("b", {}, tokens.length ? `${free} free` : "empty")),
    ),
  );
  return border ? [box, el("p", { class: "inside-border" }, el("span", {}, BORDERS[border]))] : [box];
}

function token({ text, number, weight, word }) {
  const pieces = { class: `token${text.endsWith(" ") || word ? "" : " token-joined"}`, title: word ? `A vector of the embedding ${word}` : `Token ${number}, weight ${weight}` };
  const made = el("span", pieces, el("b", {}, text.trimEnd() || "␣"), el("small", {}, word ? "embedding" : number), weight !== 1 && el("em", {}, `×${Number(weight.toFixed(2))}`));
  const strength = Math.min(1, Math.abs(Math.log2(Math.max(Math.abs(weight), 0.05))) / 0.8);
  made.dataset.weight = weight < 0 ? "negative" : weight > 1 ? "more" : weight < 1 ? "less" : "plain";
  made.style.setProperty("--strength", `${Math.round(14 + strength * 56)}%`);
  return made;
}
