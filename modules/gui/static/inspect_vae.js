// A picture through the VAE and back: what is lost before a single step is painted.
import { compare } from "./compare.js";
import { el, iconButton, setText } from "./element.js";
import { attempt } from "./message.js";
import { inputOf } from "./send.js";
import { ask } from "./server.js";
import { store } from "./store.js";

const TAB = "inspect";
const SHOWN = [["original", "Original"], ["decoded", "Encoded and decoded"], ["difference", "Difference"]];

/** Gives {element, show(about), leave()}. */
export function vaeView() {
  let source = null; // as send.js describes them
  let job = null;
  let known = new Map(); // jobs by what was sent through which VAE, while the panel is open

  const file = el("input", { type: "file", accept: "image/*", hidden: true });
  const vae = el("select", { "aria-label": "VAE", id: "inspect_vae_choice" }, el("option", { value: "" }, "VAE as usual"));
  const status = el("p", { class: "inside-status", role: "status" });
  const figures = el("div", { class: "inside-trip" });
  const facts = el("dl", { class: "inside-facts inside-facts-wide" });
  const actions = el("span");
  const channels = el("div", { class: "inside-channels" });
  const title = el("h3", {}, "Its latents");
  const hint = el("p", { class: "hint" }, "The network never paints pixels. It paints latents, 8 times smaller each way, and the VAE turns those into pixels. This is what it makes of a picture that is only encoded and decoded: fine patterns, small faces and letters suffer, whatever the prompt says.");
  const element = el(
    "div",
    { class: "inside-page inside-vae" },
    hint,
    el("div", { class: "inside-bar" }, iconButton("open", "Choose another picture", () => file.click(), { text: "Another picture" }), vae, actions, file),
    status,
    figures,
    facts,
    el("section", { class: "inside-section" }, title, channels),
  );

  file.addEventListener("change", () => file.files.length && send({ file: file.files[0] }));
  vae.addEventListener("change", () => source && send(source));
  store.addEventListener("inspected", ({ detail }) => job && detail.job === job && draw(detail.facts));
  store.addEventListener("jobs", () => job && drawStatus());

  async function show(about) {
    const { vaes = [] } = (await attempt(() => ask("/api/models"), TAB)) ?? {};
    const names = vaes.filter((one) => !one.problem).map((one) => one.name ?? one.title);
    vae.replaceChildren(el("option", { value: "" }, "VAE as usual"), ...["None", ...names].map((name) => el("option", { value: name }, name === "None" ? "The checkpoint's own" : name)));
    vae.hidden = !names.length;
    if (about.picture) await send({ picture: about.picture });
    else setText(status, "Choose a picture to send through the VAE.");
  }

  async function send(next) {
    source = next;
    job = null;
    clear();
    setText(status, "It is on its way.");
    const input = await attempt(() => inputOf(next), TAB);
    if (!input || source !== next) return;
    const key = `${input.id} ${vae.value}`;
    known.has(key) || known.set(key, (await attempt(() => ask("/api/inspections/vae", { input: input.id, vae: vae.value }), TAB))?.job);
    if (source !== next || !known.get(key)) return known.delete(key);
    job = known.get(key);
    const { steps } = await ask(`/api/inspections/${job}`).catch(() => ({ steps: [] }));
    if (source === next && steps.length) draw(steps[0]);
    else drawStatus();
  }

  function drawStatus() {
    if (figures.childElementCount) return;
    const now = store.jobs.get(job);
    const words = { waiting: "It waits for its turn.", running: "The VAE works.", failed: `${now?.message} ${now?.hint}`.trim() };
    setText(status, words[now?.state] ?? status.textContent);
  }

  function draw(seen) {
    const address = (name) => `/inspections/${job}/0/0/${name}.png`;
    setText(status, "");
    figures.style.setProperty("--ratio", seen.width / seen.height);
    figures.replaceChildren(
      ...SHOWN.map(([name, label]) =>
        el("figure", { class: "inside-tile" }, el("img", { src: address(name), alt: label }), el("figcaption", {}, el("span", {}, label), name === "difference" && el("span", { class: "inside-value" }, `${seen.times} times as bright`))),
      ),
    );
    const rows = [
      ["PSNR", seen.psnr == null ? "no difference" : `${seen.psnr.toFixed(1)} dB`],
      ["Mean difference", `${seen.mean.toFixed(2)} of 255`],
      ["Largest", `${seen.largest} of 255`],
      ["Pixels unchanged", `${(100 * seen.equal).toFixed(1)}%`],
      ["Latents", `${seen.latents.join(" × ")}`],
      ["VAE", seen.vae || `${seen.model}'s own`],
    ];
    facts.replaceChildren(...rows.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))));
    const side = (name, label) => ({ url: address(name), width: seen.width, height: seen.height, label });
    actions.replaceChildren(iconButton("compare", "Compare with a slider", () => compare(side("original", "Original"), side("decoded", "Encoded and decoded")), { text: "Compare" }));
    const [count] = seen.latents;
    title.hidden = false;
    channels.style.setProperty("--ratio", seen.width / seen.height);
    channels.replaceChildren(
      ...Array.from({ length: count }, (_, i) => {
        const image = el("img", { class: "inside-image", src: address("channels"), alt: `Channel ${i + 1}` });
        image.style.width = `${count * 100}%`;
        image.style.marginLeft = `${-i * 100}%`;
        return el("figure", { class: "inside-tile" }, el("div", { class: "inside-pixels" }, image), el("figcaption", {}, el("span", {}, `Channel ${i + 1}`)));
      }),
    );
  }

  function clear() {
    for (const part of [figures, facts, channels, actions]) part.replaceChildren();
    title.hidden = true;
  }

  return {
    element,
    show,
    leave() {
      [source, job, known, file.value] = [null, null, new Map(), ""];
      setText(status, "");
      clear();
    },
  };
}
