// What is inside each step of a painting: the picture so far, what the network predicts, and the latents themselves.
import { el, iconButton, setText } from "./element.js";
import { chart } from "./inspect_chart.js";
import { attempt } from "./message.js";
import { ask } from "./server.js";
import { store } from "./store.js";

const TAB = "inspect";
const SOME = 8; // steps, where not all are wanted
const BEAT = 350; // milliseconds a step is shown for while it plays
const OVER = ["finished", "stopped", "failed", "interrupted", "cancelled"];
const PARTS = [
  ["conditional", "With the prompt", "What the network sees when it is told the prompt."],
  ["unconditional", "Without it", "What it sees when it is told the negative prompt instead."],
  ["difference", "Difference", "Where the prompt has something to say: bright is much. This is what CFG multiplies."],
];
const LATENTS = [
  ["noisy", "Going in", "The noisy latents that the network was given in this step."],
  ["guess", "Coming out", "The latents of the picture as the network imagines it now."],
  ["difference", "Difference", "What the prompt changes in each channel."],
];

const number = (value, digits = 3) => (value == null ? "–" : Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(digits));

/** Gives {element, show(about), leave(), rest(), key(event)}. */
export function stepsView() {
  let about = null;
  let job = null; // whose insides are shown
  let shown = 0; // the picture's number inside it
  let all = []; // the facts of all its pictures' steps
  let state = "";
  let steps = []; // the facts of the picture's steps, in order
  let at = -1;
  let follows = true; // the newest step, as long as nobody chose another one
  let seenAs = "noise";
  let latents = "guess";
  let timer = null;

  const status = el("p", { class: "inside-status", role: "status" });
  const invite = el("div", { class: "inside-invite" });
  const picture = el("img", { class: "inside-picture", alt: "The picture as the network imagines it in this step" });
  const caption = el("p", { class: "inside-caption" });
  const slider = el("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "Step", id: "inspect_step" });
  const play = iconButton("play", "Play the steps", () => (timer ? rest() : start()), { id: "inspect_play" });
  const which = el("select", { "aria-label": "Picture of the job", class: "inside-which" });
  const curve = chart((i) => choose(i));
  const facts = el("dl", { class: "inside-facts" });
  const more = el("div", { class: "inside-more" });
  const parts = Object.fromEntries(PARTS.map(([name, label]) => [name, tile(label)]));
  const channels = el("div", { class: "inside-channels" });
  const partsHint = el("p", { class: "hint" });
  const latentsHint = el("p", { class: "hint" });
  const partsChoice = choice("Shown as", [["noise", "Noise"], ["guess", "Picture"]], () => seenAs, (value) => (seenAs = value));
  const latentsChoice = choice("Latents", LATENTS.map(([name, label]) => [name, label]), () => latents, (value) => (latents = value));
  const table = el(
    "div",
    { class: "inside-steps" },
    el(
      "section",
      { class: "inside-left", "aria-label": "The picture so far" },
      el(
        "div",
        { class: "inside-now" },
        el("div", { class: "inside-frame" }, picture),
        caption,
        el("div", { class: "inside-scrub" }, play, el("div", { class: "inside-track" }, curve.element, slider), which),
      ),
      facts,
      more,
    ),
    el(
      "div",
      { class: "inside-right" },
      section("What the network predicts", partsChoice.element, partsHint, el("div", { class: "inside-parts" }, ...Object.values(parts).map((one) => one.element))),
      section("Latent channels", latentsChoice.element, latentsHint, channels),
    ),
  );
  const left = table.firstChild;
  const element = el("div", { class: "inside-page" }, invite, status, table);

  slider.addEventListener("input", () => choose(Number(slider.value)));
  which.addEventListener("change", () => {
    shown = Number(which.value);
    load();
  });
  picture.addEventListener("load", () => table.style.setProperty("--ratio", picture.naturalWidth / picture.naturalHeight));
  store.addEventListener("inspected", ({ detail }) => job && detail.job === job && arrived(detail.facts));
  store.addEventListener("jobs", () => job && drawStatus());
  store.addEventListener("progress", () => job && drawStatus());

  function choice(label, options, now, set) {
    const buttons = options.map(([value, words]) =>
      el("button", { type: "button", "data-value": value, onclick: () => (set(value), draw()) }, words),
    );
    const box = el("div", { class: "inside-choice", role: "group", "aria-label": label }, ...buttons);
    const draw_ = () => buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.value === now())));
    return { element: box, draw: draw_ };
  }

  // --- whose insides

  async function show(next) {
    about = next;
    const found = await attempt(() => (next.picture ? ask(`/api/pictures/${next.picture.id}/inspection`) : watched(next.job)), TAB);
    if (about !== next || !found) return;
    await follow(found.job, found.picture);
  }

  /** A job that runs has its steps recorded from now on. */
  async function watched({ id }) {
    await ask(`/api/inspections/${id}/watch`, {});
    return { job: id, picture: null };
  }

  async function follow(id, number = null) {
    [job, all, at, follows] = [id || null, [], -1, true];
    if (job) {
      const asked = job;
      const answer = await attempt(() => ask(`/api/inspections/${id}`), TAB);
      if (job !== asked || !answer) return;
      state = answer.state;
      if (follows) shown = number ?? answer.steps.at(-1)?.picture ?? shown;
      answer.steps.forEach(add);
    }
    load();
  }

  /** News may come before the answer to what was there. */
  function add(one) {
    all = [...all.filter(({ picture: p, step }) => p !== one.picture || step !== one.step), one];
    all.sort((a, b) => a.picture - b.picture || a.step - b.step);
  }

  function load() {
    const numbers = [...new Set(all.map((one) => one.picture))];
    which.hidden = numbers.length < 2;
    which.replaceChildren(...numbers.map((one) => el("option", { value: one }, `Picture ${one + 1}`)));
    which.value = shown;
    steps = job ? all.filter((one) => one.picture === shown) : [];
    at = follows ? steps.length - 1 : Math.min(at, steps.length - 1);
    draw();
  }

  function arrived(one) {
    add(one);
    if (follows) shown = one.picture;
    load();
  }

  function leave() {
    rest();
    [about, job, steps, all, at] = [null, null, [], [], -1];
    for (const image of element.querySelectorAll("img")) image.removeAttribute("src");
    channels.replaceChildren();
  }

  // --- ordering a look

  function drawInvite() {
    const waits = job && !OVER.includes(now()) && !steps.length;
    invite.hidden = Boolean(steps.length || waits);
    if (invite.hidden) return;
    const total = Number(about?.picture?.infotext.match(/\bSteps: (\d+)/)?.[1] ?? 0);
    const evenly = total > SOME + 2 && Array.from({ length: SOME }, (_, i) => 1 + Math.round((i * (total - 1)) / (SOME - 1)));
    const order = (words, wanted, primary) =>
      el("button", { type: "button", class: primary ? "button button-primary" : "button", "data-steps": wanted, onclick: () => look(wanted) }, words);
    invite.replaceChildren(
      el("h3", {}, "Nothing of this picture was recorded yet"),
      el("p", {}, "Its seed paints it once more, exactly as it was, and this time its insides are kept. It is not saved a second time. Every step that you choose is decoded by the VAE too, so this takes longer than the picture did."),
      el("div", { class: "inside-orders" }, order(total ? `All ${total} steps` : "Every step", "every step", true), evenly && order(`${SOME} of them`, evenly.join(", ")), order("Only the last", "last")),
    );
  }

  async function look(wanted) {
    const asked = about;
    const answer = await attempt(() => ask("/api/inspections", { picture: asked.picture.id, steps: wanted }), TAB);
    if (!answer || about !== asked) return;
    element.parentElement?.focus(); // the pressed button goes; arrows shall walk the steps
    more.replaceChildren(...answer.differences.map((one) => el("p", { class: "hint" }, one)));
    await follow(answer.job, 0);
  }

  const now = () => store.jobs.get(job)?.state ?? state;

  function drawStatus() {
    const known = store.jobs.get(job);
    const { progress } = store;
    const running = known?.state === "running";
    const failed = known?.state === "failed" ? `${known.message} ${known.hint}`.trim() : "";
    const told = running && progress?.job === job ? `It is painted: step ${progress.step} of ${progress.steps}.` : running ? "It is painted." : "";
    const missed = running && !steps.length ? " Its next step will be shown here." : "";
    setText(status, !job ? "" : known?.state === "waiting" ? "It waits for its turn." : failed || `${told}${missed}`);
    status.hidden = !status.textContent;
    if (job && OVER.includes(known?.state)) drawInvite();
  }

  // --- one step

  function choose(i) {
    at = Math.max(0, Math.min(steps.length - 1, i));
    follows = at === steps.length - 1;
    draw();
  }

  function draw() {
    drawStatus();
    drawInvite();
    partsChoice.draw();
    latentsChoice.draw();
    table.hidden = !steps.length;
    (steps.length ? left : element).append(status);
    if (!steps.length) return;
    slider.max = steps.length - 1;
    slider.value = at;
    slider.disabled = steps.length < 2;
    slider.style.setProperty("--share", steps.length > 1 ? at / (steps.length - 1) : 1);
    const one = steps[at];
    slider.setAttribute("aria-valuetext", `Step ${one.step} of ${one.steps}`);
    curve.draw(steps, at);
    source(picture, address(one, "picture.jpg"));
    caption.replaceChildren(el("strong", {}, `Step ${one.step} of ${one.steps}`), one.pass === 2 ? " · hires pass" : "", " · what the finished picture would be, as the network imagines it now");
    drawFacts(one);
    drawParts(one);
    drawLatents(one);
    for (const near of [steps[at + 1], steps[at - 1]]) if (near) new Image().src = address(near, "picture.jpg");
  }

  function drawFacts(one) {
    const { conditional, unconditional, difference } = one.noise;
    const rows = [
      ["Noise level σ", number(one.sigma)],
      ["Timestep", Math.round(one.timestep)],
      ["CFG scale", number(one.scale)],
      ["Prompt pulls", difference == null ? "–" : `${((100 * difference) / conditional).toFixed(1)}%`],
      ["With / without", unconditional == null ? number(conditional) : `${number(conditional)} / ${number(unconditional)}`],
    ];
    facts.replaceChildren(...rows.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))));
  }

  function drawParts(one) {
    const alone = one.noise.unconditional == null;
    for (const [name] of PARTS) {
      const { element: box, image, value } = parts[name];
      box.hidden = alone && name !== "conditional";
      if (box.hidden) continue;
      source(image, address(one, name === "difference" ? "difference.png" : `${name}_${seenAs}.png`));
      setText(value, name === "difference" ? `up to ${number(one.strongest, 2)}` : seenAs === "noise" ? `deviation ${number(one.noise[name])}` : "");
    }
    const several = one.prompts > 1 ? ` ${one.prompts} prompts are joined by AND: with the prompt means all of them together.` : "";
    const words = alone ? "At CFG scale 1 the network is asked only once, with the prompt." : PARTS.map(([, label, does]) => `${label}: ${does[0].toLowerCase()}${does.slice(1)}`).join(" ");
    setText(partsHint, words + several);
  }

  function drawLatents(one) {
    if (latents === "difference" && !one.noise.difference) latents = "guess";
    latentsChoice.draw();
    const known = one.channels[latents];
    const count = one.channels.noisy.length;
    const file = address(one, `${latents}_channels.png`);
    if (channels.childElementCount !== count) channels.replaceChildren(...Array.from({ length: count }, (_, i) => tile(`Channel ${i + 1}`).element));
    [...channels.children].forEach((box, i) => {
      const image = box.querySelector("img");
      image.style.width = `${count * 100}%`;
      image.style.marginLeft = `${-i * 100}%`;
      source(image, file);
      setText(box.querySelector(".inside-value"), known ? `${number(known[i].mean, 2)} ± ${number(known[i].deviation, 2)}` : "");
    });
    const does = LATENTS.find(([name]) => name === latents)[2];
    setText(latentsHint, `${does} One value for 8 × 8 pixels: blue is below 0, orange above, brightest from ±${number(one.brightest[latents], 2)} on.`);
  }

  const address = (one, name) => `/inspections/${job}/${one.picture}/${one.step}/${name}`;

  // --- playing

  function start() {
    if (steps.length < 2) return;
    if (at === steps.length - 1) choose(0);
    timer = setInterval(() => (at < steps.length - 1 ? choose(at + 1) : rest()), BEAT);
    drawPlay();
  }

  function rest() {
    clearInterval(timer);
    timer = null;
    drawPlay();
  }

  function drawPlay() {
    play.firstChild.className = `icon icon-${timer ? "pause" : "play"}`;
    play.title = timer ? "Pause" : "Play the steps";
    play.setAttribute("aria-label", play.title);
  }

  function key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !steps.length || event.target.closest("input, select, [role=tab]") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    choose(at + step);
  }

  return { element, show, leave, rest, key };
}

function section(title, choices, hint, content) {
  return el("section", { class: "inside-section", "aria-label": title }, el("div", { class: "inside-section-head" }, el("h3", {}, title), choices), content, hint);
}

/** A small image with its name and a number under it. */
function tile(label) {
  const image = el("img", { class: "inside-image", alt: label, draggable: "false" });
  const value = el("span", { class: "inside-value" });
  const element = el("figure", { class: "inside-tile" }, el("div", { class: "inside-pixels" }, image), el("figcaption", {}, el("span", {}, label), value));
  return { element, image, value };
}

function source(image, address) {
  if (image.getAttribute("src") !== address) image.src = address;
}
