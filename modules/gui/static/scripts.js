// The fold "Script": only the fields of the chosen script are shown; a list of prompts can be loaded from a file.
import { el, mounted } from "./element.js";
import { apply, changes, form } from "./values.js";

/** How the names of a script's widgets begin, as `prefix` in script_fields.py forms it. */
const prefix = (script) => `script_${script.toLowerCase().replace(/[^\p{L}\p{N}_]+/gu, "_").replace(/^_+|_+$/g, "")}_`;

/** Values of widgets for the scripts of a request: {"X/Y/Z plot": {x_type: ...}} -> {script: ..., script_x_y_z_...}. */
export function scriptValues(scripts = {}) {
  const found = {};
  for (const [script, fields] of Object.entries(scripts)) {
    found.script = script;
    for (const [name, value] of Object.entries(fields)) found[prefix(script) + name] = value;
  }
  return found;
}

changes.addEventListener("values", ({ detail: tab }) => {
  const chosen = form(tab).values.script;
  for (const fields of document.querySelectorAll(`#tab_${tab} .script-fields`)) {
    fields.toggleAttribute("data-chosen", fields.id === `${tab}_${prefix(chosen ?? "")}fields`);
  }
});

/** A button below a script's long list that fills it from a text file. */
async function offerFile(tab, name) {
  const field = await mounted(`#${tab}_${name}`);
  const chooser = el("input", { type: "file", accept: ".txt,text/plain", hidden: true });
  chooser.addEventListener("change", async () => {
    if (chooser.files[0]) apply(tab, { [name]: await chooser.files[0].text() });
    chooser.value = "";
  });
  const button = el("button", { type: "button", class: "button", onclick: () => chooser.click() }, "Load a text file");
  field.after(el("div", { class: "script-file" }, button, chooser));
}

for (const tab of ["txt2img", "img2img", "inpaint"]) {
  offerFile(tab, "script_prompts_from_file_or_textbox_prompt_txt");
}
