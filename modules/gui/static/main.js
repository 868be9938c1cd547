// Starts everything. `window.easel` is a promise that Gradio's events wait for (see generate_tab.py).
import { answered } from "./message.js";
import "./aspects.js";
import "./engine.js";
import "./folds.js";
import "./keys.js";
import "./prompt.js";
import "./queue.js";
import "./recent.js";
import { shownSeed } from "./stage.js";
import "./stops.js";
import { store } from "./store.js";
import "./tabs.js";
import "./theme.js";
import "./title.js";
import { notices } from "./notices.js";
import { applied, form } from "./values.js";
import "./generate.js";

store.start();

window.easelLoaded({
  answered,
  applied,
  seedToReuse: (tab, seed) => shownSeed(tab) ?? seed,
  remember: (tab, names, values) => void form(tab).remember(names, values),
  filled(tab, names, answer, ...now) {
    const { offers, problems } = JSON.parse(answer);
    problems.forEach((problem) => notices.add(problem));
    return form(tab).fill(names, offers, now);
  },
});
