// Settings into the prompt: a button that reads the text in the box, or the last generation's, and files dropped on it.
import { iconButton, mounted } from "./element.js";
import { say } from "./message.js";
import { useSettings } from "./prompt.js";
import { upload } from "./server.js";

const LONGEST_FILE = 10_000; // characters; a longer text file is about something else
const LAST_LINE = /(^|\n)[^\n]*\bSteps: \d+[^\n]*$/;

async function prepare(tab) {
  const box = await mounted(`#${tab}_prompt textarea`);
  const row = box.closest(".words") ?? box.closest(".block");
  const label = "Read the settings text in the prompt, or with an empty prompt those of the last generation";
  box.closest(".block").append(iconButton("paste", label, () => paste(tab, box.value), { id: `${tab}_paste`, class: "button bare prompt-paste" }));
  row.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    row.classList.add("dropping");
  });
  row.addEventListener("dragleave", (event) => row.contains(event.relatedTarget) || row.classList.remove("dropping"));
  row.addEventListener(
    "drop",
    (event) => {
      row.classList.remove("dropping");
      const [file] = event.dataTransfer.files;
      if (!file) return;
      event.preventDefault();
      event.stopPropagation();
      drop(tab, file).catch((refused) => say(tab, refused.message, refused.hint));
    },
    true,
  );
}

function paste(tab, text) {
  if (!text.trim() || LAST_LINE.test(text.trim())) return useSettings(tab, text);
  say(tab, "The prompt holds no settings text.", "Paste one into it; an empty prompt takes the last generation's.", "note");
}

/** A picture's settings, or those in a text file. Raises `Refused`. */
async function drop(tab, file) {
  const plain = file.type.startsWith("text/") || file.name.toLowerCase().endsWith(".txt");
  const text = plain ? (file.size < LONGEST_FILE * 4 ? await file.text() : "") : (await upload("/api/inputs", file)).infotext;
  if (text.trim() && text.length < LONGEST_FILE * 100 && (!plain || text.length < LONGEST_FILE)) return useSettings(tab, text);
  say(tab, plain ? "The text file is empty, or too long to be settings." : "The picture came without settings.", "", "note");
}

for (const tab of ["txt2img", "img2img", "inpaint"]) prepare(tab);
