// The browser tab's title says how far the running job is.
import { store } from "./store.js";

const NAME = "Easel";

store.watch(["progress", "jobs"], () => {
  const running = store.running;
  const fraction = store.progress && store.progress.job === running?.id ? store.progress.fraction : 0;
  const title = running ? `${Math.floor(fraction * 100)}% · ${NAME}` : NAME;
  if (document.title !== title) document.title = title;
});
