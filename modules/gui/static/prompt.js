// The prompt boxes: token counts, text direction, weights by keyboard, and pasted settings.
import { el, mounted, setText } from "./element.js";
import { inspect } from "./inspect.js";
import { attempt, say } from "./message.js";
import { scriptValues } from "./scripts.js";
import { ask } from "./server.js";
import { apply, changes, form } from "./values.js";

const PAUSE = 250;
const BOXES = [
  ["prompt", "token_counter", "Tokens in the prompt"],
  ["neg_prompt", "negative_token_counter", "Tokens in the negative prompt"],
];
// What else of a request the counting depends on.
const READ = ["steps", "styles", "emphasis", "comma_padding_backtrack", "enable_prompt_comments", "use_old_scheduling"];
// And what shows when each text of a prompt holds.
const TIMED = ["prompt", "negative_prompt", "sampler", "enable_hr", "hr_prompt", "hr_negative_prompt", "hr_second_pass_steps", "hr_sampler_name"];
const SETTINGS = /\bSteps: \d+, Sampler: /;
const WEIGHT_STEP = 0.1;

async function prepare(tab, [id, counter, label]) {
  const box = await mounted(`#${tab}_${id} textarea`);
  box.dir = "auto";
  box.spellcheck = false;
  const count = el("button", { type: "button", class: "tokens", id: `${tab}_${counter}`, title: `${label}: see each one`, onclick: () => seeTokens(tab) }, "0/75");
  const remarks = el("p", { class: "remarks", role: "status" });
  box.closest(".block").append(count, remarks);

  let timer = null;
  let counted = null;
  const recount = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const { values } = form(tab);
      const read = Object.fromEntries(READ.filter((name) => values[name] != null).map((name) => [name, values[name]]));
      const text = box.value.toWellFormed?.() ?? box.value;
      const asked = { ...read, text, negative: id !== "prompt" };
      const key = JSON.stringify(asked);
      if (key === counted) return;
      counted = key;
      const answer = await ask("/api/tokens", asked).catch(() => null);
      if (!answer || key !== counted) return;
      setText(count, `${answer.tokens}/${answer.room}`);
      setText(remarks, answer.remarks.join(" "));
    }, PAUSE);
  };
  box.addEventListener("input", recount);
  changes.addEventListener("values", recount);
  box.addEventListener("paste", (event) => offerSettings(tab, event));
  recount();
}

/** Shows the prompts of a tab token by token. */
function seeTokens(tab) {
  const { values } = form(tab);
  const known = [...READ, ...TIMED].filter((name) => values[name] != null);
  inspect({ values: Object.fromEntries(known.map((name) => [name, values[name]])) });
}

/** A pasted text that holds a picture's settings is offered as such. */
function offerSettings(tab, event) {
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (!SETTINGS.test(text)) return;
  event.preventDefault();
  useSettings(tab, text);
}

/** Sets the widgets from a picture's text, but for those in `left`, and says what could not be set. */
export async function useSettings(tab, text, left = []) {
  const answer = await attempt(() => ask("/api/paste", { text }), tab);
  if (!answer) return;
  const { extra = {}, scripts, ...values } = answer.values;
  for (const name of left) delete values[name];
  const impossible = apply(tab, { ...values, ...extra, ...scriptValues(scripts) });
  const missing = [...(answer.problems ?? []), ...impossible.map((name) => `${name}: ${values[name]} is not there.`)];
  if (missing.length) say(tab, "The settings are set, but for this:", missing.join(" "));
  else say(tab, "The settings are set.", "", "note");
}

/** (word:1.1): the weight of the selection, or of the word at the caret, grows or shrinks. */
export function changeWeight(box, direction) {
  let [start, end] = [box.selectionStart, box.selectionEnd];
  const text = box.value;
  if (start === end) {
    start -= text.slice(0, start).match(/[^\s,()[\]:]*$/)[0].length;
    end += text.slice(end).match(/^[^\s,()[\]:]*/)[0].length;
  }
  if (start === end) return;
  const around = text.slice(end).match(/^:(-?[\d.]+)\)/);
  const weighted = text[start - 1] === "(" && around;
  const weight = Number(((weighted ? Number(around[1]) : 1) + direction * WEIGHT_STEP).toFixed(2));
  const inner = text.slice(start, end);
  const [from, to] = weighted ? [start - 1, end + around[0].length] : [start, end];
  const replaced = weight === 1 ? inner : `(${inner}:${weight})`;
  box.setSelectionRange(from, to);
  // keeps the box's own undo; Firefox needs the second way
  if (!document.execCommand("insertText", false, replaced)) box.setRangeText(replaced);
  const at = from + (weight === 1 ? 0 : 1);
  box.setSelectionRange(at, at + inner.length);
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

for (const tab of ["txt2img", "img2img", "inpaint"]) for (const box of BOXES) prepare(tab, box);
