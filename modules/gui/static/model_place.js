// A sheet that asks where a model is to stand: another name, another folder. What is refused is said in it.
import { el, iconButton } from "./element.js";
import { field } from "./model_fields.js";
import { ask } from "./server.js";
import { shelf } from "./shelf.js";

export const openRename = (model, attempt) =>
  open({
    title: `Rename ${model.name}`,
    label: "New name, without ending",
    value: model.name,
    verb: "Rename",
    say: (name) => `${model.name} is called ${name} now.`,
    place: (name) => ask(`/api/models/${model.id}/rename`, { name }),
    attempt,
  });

export const openMove = (model, attempt) =>
  open({
    title: `Move ${model.name}`,
    label: "Folder below the models folder, empty for that itself",
    value: model.folder,
    offered: shelf.folders,
    verb: "Move",
    say: (folder) => `${model.name} is in ${folder || "the models folder"} now.`,
    place: (folder) => ask(`/api/models/${model.id}/move`, { folder }),
    attempt,
  });

/** `place(text)` gives the model's new id; `say(text)` the sentence about it, which `attempt` says on the tab. */
function open({ title, label, value, offered = [], verb, say, place, attempt }) {
  const folders = el("datalist", { id: "model_folders" }, ...offered.map((folder) => el("option", { value: folder })));
  const box = el("input", { type: "text", id: "model_place", value, list: folders.id, dir: "auto", autocomplete: "off", spellcheck: "false" });
  const message = el("p", { class: "message message-error", role: "alert", hidden: true });
  const go = el("button", { type: "submit", class: "button tool-go" }, verb);
  const form = el("form", { method: "dialog" }, field(label, box), folders, message, el("div", { class: "tool-actions" }, go));
  const dialog = el(
    "dialog",
    { class: "sheet tool-sheet", "aria-label": title, id: "models_place" },
    el("div", { class: "sheet-head" }, el("h2", {}, el("bdi", {}, title)), iconButton("close", "Close (Esc)", () => dialog.close())),
    form,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = box.value.trim();
    if (text === value) return dialog.close();
    message.hidden = true;
    try {
      const { id } = await place(text);
      dialog.close();
      document.querySelector("easel-models .grid").focus(); // the button that it was asked with may be gone
      attempt(() => (shelf.choose(id), say(text)));
    } catch (refused) {
      message.hidden = false;
      message.replaceChildren(el("strong", {}, refused.message), ` ${refused.hint ?? ""}`);
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  box.select();
}
