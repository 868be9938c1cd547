// Starts everything. `window.easel` is a promise that Gradio's events wait for (see generate_tab.py).
import { answered, attempt } from "./message.js";
import { ask } from "./server.js";
import "./applicable.js";
import "./aspects.js";
import "./engine.js";
import "./folds.js";
import "./history.js";
import "./keys.js";
import "./models.js";
import "./numbers.js";
import "./picked.js";
import "./pasting.js";
import "./png_info.js";
import "./prompt.js";
import "./queue.js";
import "./recent.js";
import "./restart.js";
import "./scripts.js";
import "./schedule.js";
import { registerTarget } from "./send.js";
import "./source.js";
import { shownSeed } from "./stage.js";
import "./stops.js";
import "./styles.js";
import { store } from "./store.js";
import "./tabs.js";
import "./theme.js";
import "./title.js";
import "./tray.js";
import "./notices.js";
import { applied, form } from "./values.js";
import "./generate.js";

registerTarget({ name: "txt2img", tab: "txt2img", label: "txt2img", order: 10, picture: false, settings: true });
store.start();

window.easelLoaded({
  answered,
  applied,
  load: (tab, checkpoint, vae) => void attempt(() => ask("/api/load", { checkpoint, vae: vae ?? "" }), tab),
  seedToReuse: (tab, seed) => shownSeed(tab) ?? seed,
  remember: (tab, names, values) => void form(tab).remember(names, values),
  filled(tab, names, answer, ...now) {
    return form(tab).fill(names, JSON.parse(answer), now);
  },
});
