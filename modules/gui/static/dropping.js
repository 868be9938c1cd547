// Picture files that are dropped on a part of the page, or pasted while its tab is shown.
import { shownTab } from "./element.js";

/** Has `element` take them: `bring(files)`. While files are held over it, its class is `dropping`. */
export function takeFiles(element, tab, bring) {
  const over = (event) => {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    element.classList.add("dropping");
  };
  for (const kind of ["dragenter", "dragover"]) element.addEventListener(kind, over);
  element.addEventListener("dragleave", (event) => element.contains(event.relatedTarget) || element.classList.remove("dropping"));
  element.addEventListener("drop", (event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    element.classList.remove("dropping");
    if (!files.length) return;
    event.preventDefault();
    event.stopPropagation();
    bring(files);
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter(({ type }) => type.startsWith("image/"));
    if (shownTab() !== tab || !files.length) return;
    event.preventDefault();
    bring(files);
  });
}
