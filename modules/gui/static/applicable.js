// Hides the fields that the chosen sampler, schedule or checkpoint does not heed.
import { changes, form } from "./values.js";

const ANY = ["Automatic", undefined];

changes.addEventListener("values", ({ detail: tab }) => {
  const { only, values } = form(tab);
  for (const [name, [chooser, heeding]] of Object.entries(only)) {
    const applies = ANY.includes(values[chooser]) || heeding.includes(values[chooser]);
    document.getElementById(`${tab}_${name}`)?.classList.toggle("not-heeded", !applies);
  }
});
