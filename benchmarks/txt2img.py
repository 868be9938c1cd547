"""Our txt2img, from a queued job to a saved PNG with previews on the way, against a plain diffusers pipeline.

    python -m benchmarks.txt2img [--runs 5] [--only starter|full]

Same weights, same threads, same dtype, same steps, one process, alternating runs. diffusers gets its own copy of the
modules, its Euler scheduler, and saves its PNG as Pillow does. Two cases: 20 steps of the starter model at its native
size, and 3 steps of a full-size SD 1.5 of random numbers at 512. Writes benchmarks/results/txt2img.md.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import diffusers
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

from modules import flags
from modules.app import folders_for
from modules.core.hooks import Hooks
from modules.core.settings import Settings
from modules.engine.engine import Engine
from modules.studio import Studio
from modules.text.tokenizer import BOS, EOS, encode
from modules.weights.load import load_checkpoint
from modules.weights.precision import choose_precision

from .full_size import write_full_checkpoint

ROOT = Path(__file__).resolve().parent.parent
STARTER = ROOT / "models" / "Stable-diffusion" / "starter.safetensors"
RESULT = Path(__file__).parent / "results" / "txt2img.md"
PROMPT, NEGATIVE = "a red house on a green hill, by day", "moon"


@dataclass(frozen=True)
class Case:
    name: str
    checkpoint: Path
    size: int
    steps: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.txt2img", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each, after one warm-up (full size: 3)")
    parser.add_argument("--only", choices=("starter", "full"))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    rows = []
    if options.only != "full":
        rows.append(_compare(Case("starter, native size, 20 steps", STARTER, 0, 20), options.runs, folder / "starter"))
    if options.only != "starter":
        full = write_full_checkpoint(Path(tempfile.gettempdir()) / "easel-benchmarks" / "full.safetensors")
        rows.append(
            _compare(Case("full-size SD 1.5, 512, 3 steps", full, 512, 3), min(options.runs, 3), folder / "full")
        )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(_report(rows))
    print(RESULT.read_text())


def _compare(case: Case, runs: int, folder: Path) -> str:
    """One row of the table: alternating runs, medians, minima and maxima, and the median of the pairs' ratios."""
    with Ours(case, folder) as ours:
        theirs = _diffusers(case, folder, ours.size)
        ours.make(), theirs()
        pairs = [(ours.make(), theirs()) for _ in range(runs)]
    mine, others = zip(*pairs, strict=True)
    ratio = statistics.median(a / b for a, b in pairs)
    return f"| {case.name} | {_times(mine)} | {_times(others)} | **{ratio:.2f}** | {runs} |"


class Ours:
    """The studio with its real queue, engine, previews and saver."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        options = flags.parse(["--data-dir", str(folder), "--ckpt-dir", str(case.checkpoint.parent)])
        folders, hooks = folders_for(options), Hooks()
        self.studio = Studio(folders, Settings(folders.settings), hooks, lambda: Engine(folders, hooks))
        self.size = case.size or next(m for m in self.studio.models() if m.path == case.checkpoint).native_size

    def __enter__(self) -> Ours:
        self.studio.start("")
        return self

    def __exit__(self, *_: object) -> None:
        self.studio.close()

    def make(self) -> float:
        """Seconds from the start of a job to its finished file."""
        job = self.studio.submit(
            {
                "prompt": PROMPT,
                "negative_prompt": NEGATIVE,
                "checkpoint": self.case.checkpoint.stem,
                "steps": self.case.steps,
                "sampler": "Euler",
                "cfg_scale": 7.0,
                "width": self.size,
                "height": self.size,
                "seed": 1,
            }
        )
        while self.studio.job(job.id).state in ("waiting", "running"):
            time.sleep(0.005)
        done = self.studio.job(job.id)
        if done.state != "finished":
            raise SystemExit(f"The job {done.state}: {done.message}")
        return done.finished - done.started


def _diffusers(case: Case, folder: Path, size: int) -> Callable[[], float]:
    """The same picture by diffusers' pipeline; the prompt is encoded by its text encoder inside the timed call."""
    precision = choose_precision()
    weights = load_checkpoint(case.checkpoint, device=precision.device, dtype=precision.dtype)
    scheduler = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    pipeline = StableDiffusionPipeline(
        vae=weights.vae,
        text_encoder=weights.text_encoder,
        tokenizer=None,
        unet=weights.unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    folder.mkdir(parents=True, exist_ok=True)

    @torch.inference_mode()
    def make() -> float:
        began = time.perf_counter()
        negative, positive = (weights.text_encoder(_tokens(text)).last_hidden_state for text in (NEGATIVE, PROMPT))
        image = pipeline(
            prompt_embeds=positive,
            negative_prompt_embeds=negative,
            num_inference_steps=case.steps,
            guidance_scale=7.0,
            width=size,
            height=size,
            generator=torch.Generator().manual_seed(1),
        ).images[0]
        image.save(folder / "diffusers.png")
        return time.perf_counter() - began

    return make


def _tokens(text: str) -> torch.Tensor:
    ids = [BOS, *encode(text), EOS]
    return torch.tensor([ids + [EOS] * (77 - len(ids))])


def _times(seconds: tuple[float, ...]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


def _report(rows: list[str]) -> str:
    dtype = str(choose_precision().dtype).removeprefix("torch.")
    return f"""# txt2img against diffusers

`python -m benchmarks.txt2img`: seconds a picture, median (least to most). Ours includes queue, previews and saving.
{torch.get_num_threads()} threads, {dtype}; torch {torch.__version__}, diffusers {diffusers.__version__}.

| case | ours | diffusers | ours / diffusers | runs |
|---|---|---|---|---|
""" + "".join(f"{row}\n" for row in rows)


if __name__ == "__main__":
    main()
