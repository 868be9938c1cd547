// What the engine does now, in the header; new lists and defaults are asked for when it becomes ready.
import { el, setText } from "./element.js";
import { notices } from "./notices.js";
import { store } from "./store.js";
import { refill } from "./values.js";

const WORDS = {
  starting: () => "Starting…",
  loading: (engine) => `Loading ${engine.model}…`,
  ready: (engine) => engine.model || "Ready",
  failed: (engine) => engine.model || "No model", // what was loaded before stays usable
};

class Engine extends HTMLElement {
  connectedCallback() {
    if (this.words) return;
    this.words = el("span", { class: "engine-words" });
    this.append(
      el(
        "span",
        { class: "engine", role: "status" },
        el("i", { class: "engine-dot", "aria-hidden": "true" }),
        this.words,
      ),
    );
    store.watch(["engine", "connection"], () => this.draw());
  }

  draw() {
    const engine = store.engine;
    this.dataset.state = store.connected === false ? "away" : engine.state;
    const words = store.connected === false ? "Not connected" : (WORDS[engine.state] ?? WORDS.ready)(engine);
    setText(this.words, words);
    this.title =
      engine.state === "ready" ? `${engine.model}: ready` : `${engine.message} ${engine.hint}`.trim() || words;
  }
}

customElements.define("easel-engine", Engine);

let before = "";
store.watch(["engine"], () => {
  const { state, model, message, hint } = store.engine;
  const now = `${state} ${model}`;
  if (now === before) return;
  if (before && state !== "loading") refill();
  if (state === "failed") notices.add([message, hint, model && `${model} stays loaded.`].filter(Boolean).join(" "), "engine");
  else notices.remove("engine");
  before = now;
});
