// A picture once more: what is known to come out otherwise, the job that paints it, and both side by side.
import { compare } from "./compare.js";
import { el, iconButton, setText } from "./element.js";
import { attempt } from "./message.js";
import { inputOf } from "./send.js";
import { ask } from "./server.js";
import { store } from "./store.js";

const OVER = ["finished", "stopped", "failed", "interrupted", "cancelled"];

/** Gives {element, show({source, told, url} or null), start()} for a tab. */
export function reproducing(tab) {
  let about = null;
  let job = null;
  const button = iconButton("retry", "Paint this picture once more from its settings, and compare", () => start(), { text: "Reproduce", id: `${tab}_reproduce` });
  const words = el("p", { class: "again-words", role: "status" });
  const differences = el("ul", { class: "again-differences" });
  const both = el("div", { class: "again-both" });
  const slider = el("span");
  const element = el("section", { class: "again", "aria-label": "Painted once more" }, el("div", { class: "again-head" }, button, slider, words), differences, both);

  async function start() {
    const named = about.source.picture ? { picture: about.source.picture.id } : { text: about.told.text };
    const answer = await attempt(() => ask("/api/reproduce", named), tab);
    if (!answer) return;
    job = answer.job;
    const known = answer.differences.length;
    setText(words, "It waits for the engine.");
    differences.replaceChildren(...answer.differences.map((one) => el("li", {}, one)));
    differences.prepend(el("li", { class: "again-known" }, known ? "Known beforehand to differ:" : "Nothing is known that would make it differ."));
    both.replaceChildren();
    slider.replaceChildren();
    follow();
  }

  function follow() {
    const now = job && store.jobs.get(job);
    if (!now || !element.isConnected) return;
    const { progress } = store;
    if (now.state === "running") setText(words, progress?.job === job && progress.step ? `Step ${progress.step} of ${progress.steps}` : "It is painted.");
    if (!OVER.includes(now.state)) return;
    job = null;
    if (now.pictures.length) finished(now.pictures[0]);
    else setText(words, now.message || "It was ended before there was a picture.");
  }

  async function finished(picture) {
    const before = about;
    const original = { url: before.url, width: before.told.width, height: before.told.height, label: "Original", infotext: before.told.text };
    const again = { ...picture, label: "Painted once more" };
    const figure = ({ url, label }) => el("figure", {}, el("img", { src: url, alt: label }), el("figcaption", {}, label));
    const open = iconButton("compare", "Compare with a slider", () => compare(original, again), { text: "Compare", id: `${tab}_compare` });
    both.replaceChildren(figure(original), figure(again));
    slider.replaceChildren(open);
    const first = before.source.picture ? { picture: before.source.picture.id } : { input: (await inputOf(before.source)).id };
    const apart = await ask("/api/difference", { first, second: { picture: picture.id } }).catch((refused) => refused);
    if (about === before) setText(words, sentence(apart));
  }

  store.addEventListener("jobs", follow);
  store.addEventListener("progress", follow);
  return {
    element,
    start,
    show(next) {
      [about, job] = [next, null];
      element.hidden = !next;
      setText(words, "");
      differences.replaceChildren();
      both.replaceChildren();
      slider.replaceChildren();
    },
  };
}

/** How far two pictures are apart, in words. */
function sentence({ mean, largest, equal, message }) {
  if (message) return message;
  if (largest === 0) return "It is the same to the bit.";
  return `Mean difference ${mean.toFixed(mean < 1 ? 3 : 1)} of 255 grey levels, at most ${largest}; ${(equal * 100).toFixed(1)}% of the pixels are equal.`;
}
