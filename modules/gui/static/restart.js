// A server that was started again may have other extensions, so other widgets: then this page is out of date.
import { ask } from "./server.js";
import { store } from "./store.js";

/** What Gradio's events mean: they reach the server as a number and values in order. */
function layout({ components, dependencies }) {
  const events = dependencies.map(({ id, inputs, outputs, targets }) => [
    id,
    inputs.length,
    outputs.length,
    targets.map(([, event]) => event),
  ]);
  return JSON.stringify([components.map(({ type, props }) => [type, props.elem_id]), events]);
}

let wasLost = false;

store.watch(["connection"], async () => {
  if (store.connected === false) wasLost = true;
  if (!store.connected || !wasLost) return;
  wasLost = false;
  const now = await ask("/config").catch(() => null);
  // what was typed is kept in the browser and comes back after reloading
  if (now && layout(now) !== layout(window.gradio_config)) location.reload();
});
