// The second pass of hires fix for a picture that is there already, with the settings that the tab has for it.
import { attempt } from "./message.js";
import { ask } from "./server.js";
import { form } from "./values.js";

const STEP = 8;

/** Queues a picture's own request with the tab's hires settings; the picture takes the place of the first pass. */
export function enlarge(tab, picture) {
  return attempt(async () => {
    const [input, pasted] = await Promise.all([
      ask("/api/inputs", { picture: picture.id }),
      ask("/api/paste", { text: picture.infotext }),
    ]);
    const now = form(tab).values;
    const second = Object.fromEntries(Object.entries(now).filter(([name]) => name.startsWith("hr_")));
    const floor = (side) => Math.floor(side / STEP) * STEP;
    await ask("/api/jobs", {
      ...pasted.values,
      ...second,
      denoising_strength: now.denoising_strength,
      checkpoint: pasted.values.checkpoint || now.checkpoint,
      enable_hr: true,
      firstpass_image: input.id,
      width: floor(input.width),
      height: floor(input.height),
      batch_size: 1,
      batch_count: 1,
      tab,
    });
  }, tab);
}
