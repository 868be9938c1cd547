// Sections that fold (layout.fold): open ones are remembered.
import { mounted } from "./element.js";
import { load, store } from "./values.js";

const KEY = "easel.folds";

document.addEventListener("click", (event) => {
  const head = event.target.closest?.(".fold-head");
  if (!head) return;
  const open = head.getAttribute("aria-expanded") !== "true";
  show(head, open);
  store(KEY, { ...load(KEY), [head.getAttribute("aria-controls")]: open });
});

async function show(head, open) {
  head.setAttribute("aria-expanded", String(open));
  const body = await mounted(`#${head.getAttribute("aria-controls")}`);
  body.toggleAttribute("data-open", open);
}

for (const [id, open] of Object.entries(load(KEY))) {
  if (open) mounted(`.fold-head[aria-controls="${CSS.escape(id)}"]`).then((head) => show(head, true));
}
