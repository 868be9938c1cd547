"""`python -m tools.starter_model`: trains the starter model from nothing, exports it and scores it.

Stop it whenever you like; the same command goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from modules.weights.memory import keep_pages

from .evaluate import evaluate, example_sheet, table
from .export import RECOMMENDED, export, load_exported
from .presets import PRESETS, Preset
from .training import averaged_denoiser, final_vae, train

HERE = Path(__file__).parent
MODEL = HERE.parents[1] / "models" / "Stable-diffusion" / "starter.safetensors"
PHASES = ("all", "train", "export", "evaluate")


def main() -> None:
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(prog="python -m tools.starter_model", description=__doc__)
    parser.add_argument("phase", nargs="?", choices=PHASES, default="all", help="one phase alone; default: all")
    parser.add_argument("--preset", choices=PRESETS, default="gpu256" if gpu else "cpu128")
    parser.add_argument("--folder", type=Path, default=HERE / "work", help="keeps checkpoints; run again to go on")
    parser.add_argument("--model", type=Path, default=MODEL, help="the file to write, or to score")
    parser.add_argument("--vae-minutes", type=float, help="instead of the preset's")
    parser.add_argument("--text-minutes", type=float, help="instead of the preset's")
    parser.add_argument("--unet-minutes", type=float, help="instead of the preset's")
    parser.add_argument("--polish-minutes", type=float, help="instead of the preset's")
    parser.add_argument("--captions", type=int, default=100, help="how many captions of each kind are scored")
    options = parser.parse_args()
    budgets = {
        name: getattr(options, name) for name in ("vae_minutes", "text_minutes", "unet_minutes", "polish_minutes")
    }
    preset = replace(PRESETS[options.preset], **{name: value for name, value in budgets.items() if value is not None})
    device = "cuda" if gpu else "cpu"
    keep_pages()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.phase in ("all", "train"):
        train(preset, options.folder, device)
    if options.phase in ("all", "export"):
        export(preset, *averaged_denoiser(preset, options.folder), final_vae(preset, options.folder), options.model)
    if options.phase in ("all", "evaluate"):
        score(preset, options.model, options.folder, device, options.captions)


def score(preset: Preset, model: Path, folder: Path, device: str, captions: int) -> None:
    """Prints the table and writes it, with a sheet of examples, into the folder."""
    modules, size = load_exported(model, device), preset.native_size
    steps, cfg = RECOMMENDED["steps"], RECOMMENDED["cfg_scale"]

    def generate(prompts: Sequence[str], negative_prompt: str, scale: float, seed: int) -> list[Image.Image]:
        return modules.generate(prompts, negative_prompt, scale, seed, steps, size, size)

    scores = table(evaluate(generate, cfg, captions))
    print(scores)
    (folder / "scores.md").write_text(scores + "\n")
    example_sheet(generate, cfg).save(folder / "examples.png")


if __name__ == "__main__":
    main()
