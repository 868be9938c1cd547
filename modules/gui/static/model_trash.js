// The models in the trash: taking them back, or deleting them for good.
import { el, iconButton } from "./element.js";
import { ask } from "./server.js";
import { size } from "./shelf.js";

let sheet = null;

export function openModelTrash() {
  sheet ??= built();
  sheet.open();
}

function built() {
  const list = el("ul", { class: "folders-list" });
  const message = el("p", { class: "message message-error", role: "alert", hidden: true });
  const empty = el("button", { type: "button", class: "button" }, "Delete all for good");
  const dialog = el(
    "dialog",
    { class: "sheet", "aria-label": "Models in the trash", id: "models_trash_sheet" },
    el("div", { class: "sheet-head" }, el("h2", {}, "Models in the trash"), iconButton("close", "Close (Esc)", () => dialog.close())),
    el("p", { class: "quiet" }, "They lie in a hidden folder beside the models, and take up their room until they are deleted."),
    message,
    list,
    el("div", { class: "folder-actions" }, empty),
  );
  let sure = false;

  const attempt = async (work) => {
    message.hidden = true;
    try {
      await work();
      await draw();
    } catch (refused) {
      message.hidden = false;
      message.textContent = `${refused.message} ${refused.hint ?? ""}`;
    }
  };
  const draw = async () => {
    const { models } = await ask("/api/models/trash");
    sure = false;
    empty.hidden = !models.length;
    empty.textContent = "Delete all for good";
    const rows = models.map((model) =>
      el(
        "li",
        { class: "folder" },
        el("p", { class: "folder-path" }, el("bdi", {}, model.name)),
        el("p", { class: "folder-state" }, `${size(model.size)} · ${new Date(model.trashed * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`),
        el("div", { class: "folder-actions" }, el("button", { type: "button", class: "button", onclick: () => attempt(() => ask(`/api/models/trash/${model.id}/restore`, {})) }, "Restore")),
      ),
    );
    list.replaceChildren(...(rows.length ? rows : [el("li", { class: "quiet" }, "It is empty.")]));
  };
  empty.addEventListener("click", () => {
    if (sure) return attempt(() => ask("/api/models/trash/empty", {}));
    sure = true;
    empty.textContent = "Really delete all of them?";
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  return { open: () => (dialog.showModal(), attempt(() => {})) };
}
