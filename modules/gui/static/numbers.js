// Gradio's number beside a slider jumps to the slider's range when it is left. The range is comfort, not a limit, and a
// wrong number deserves a sentence instead of a silent change: what was typed stays.
document.addEventListener(
  "blur",
  (event) => {
    if (event.target.matches?.('.field input[type="number"]')) event.stopImmediatePropagation();
  },
  true,
);
