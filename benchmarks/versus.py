"""What the benchmarks beside diffusers share: a job of ours, a pipeline of theirs, alternating runs, one row each."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import EulerDiscreteScheduler

from modules import flags
from modules.app import folders_for
from modules.core.hooks import Hooks
from modules.core.settings import Settings
from modules.engine.engine import Engine
from modules.jobs.inputs import InputPictures
from modules.studio import Studio
from modules.text.tokenizer import BOS, EOS, encode
from modules.weights.load import load_checkpoint
from modules.weights.precision import choose_precision

from .full_size import write_full_checkpoint

ROOT = Path(__file__).resolve().parent.parent
STARTER = ROOT / "models" / "Stable-diffusion" / "starter.safetensors"
RESULTS = Path(__file__).parent / "results"
PROMPT, NEGATIVE = "a red house on a green hill, by day", "moon"
CFG, SEED = 7.0, 1


@dataclass(frozen=True)
class Case:
    """`size` 0: the checkpoint's own."""

    name: str
    checkpoint: Path
    size: int
    steps: int


class Ours:
    """The studio with its real queue, engine, previews and saver."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        options = flags.parse(["--data-dir", str(folder), "--ckpt-dir", str(case.checkpoint.parent)])
        folders, hooks = folders_for(options), Hooks()
        inputs = InputPictures(folders.inputs).pixels
        self.studio = Studio(folders, Settings(folders.settings), hooks, lambda: Engine(folders, hooks, inputs=inputs))
        self.size = case.size or next(m for m in self.studio.models() if m.path == case.checkpoint).native_size

    def __enter__(self) -> Ours:
        self.studio.start("")
        return self

    def __exit__(self, *_: object) -> None:
        self.studio.close()

    def make(self, **values: Any) -> float:
        """Seconds from the start of a job to its finished file."""
        usual = {
            "prompt": PROMPT,
            "negative_prompt": NEGATIVE,
            "checkpoint": self.case.checkpoint.stem,
            "steps": self.case.steps,
            "sampler": "Euler",
            "cfg_scale": CFG,
            "width": self.size,
            "height": self.size,
            "seed": SEED,
        }
        job = self.studio.submit({**usual, **values})
        while self.studio.job(job.id).state in ("waiting", "running"):
            time.sleep(0.005)
        done = self.studio.job(job.id)
        if done.state != "finished":
            raise SystemExit(f"The job {done.state}: {done.message}")
        return done.finished - done.started


def theirs(kind: type, case: Case, folder: Path, **values: Any) -> Callable[[], float]:
    """Seconds that a pipeline of diffusers takes for a call with `values`, its prompt encoded and its PNG saved in it.
    It has its own copy of the networks.
    """
    precision = choose_precision()
    weights = load_checkpoint(case.checkpoint, device=precision.device, dtype=precision.dtype)
    weights.unet.register_to_config(sample_size=64)
    scheduler = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    pipeline = kind(
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
            guidance_scale=CFG,
            generator=torch.Generator().manual_seed(SEED),
            **values,
        ).images[0]
        image.save(folder / "diffusers.png")
        return time.perf_counter() - began

    return make


def row(name: str, ours: Callable[[], float], others: Callable[[], float], runs: int) -> str:
    """One row of the table: a warm-up, alternating runs, medians (least to most), the median of the pairs' ratios."""
    ours(), others()
    pairs = [(ours(), others()) for _ in range(runs)]
    mine, their = zip(*pairs, strict=True)
    ratio = statistics.median(a / b for a, b in pairs)
    return f"| {name} | {_times(mine)} | {_times(their)} | **{ratio:.2f}** | {runs} |"


def cases(only: str | None, runs: int, steps: int) -> list[tuple[Case, int]]:
    """The two cases with their number of runs; the full-size one has few steps, and runs three times at most."""
    found = []
    if only != "full":
        found.append((Case(f"starter, native size, {steps} steps", STARTER, 0, steps), runs))
    if only != "starter":
        full = write_full_checkpoint(Path(tempfile.gettempdir()) / "easel-benchmarks" / "full.safetensors")
        found.append((Case("full-size SD 1.5, 512, 4 steps", full, 512, 4), min(runs, 3)))
    return found


def report(title: str, command: str, notes: str, rows: list[str]) -> str:
    dtype = str(choose_precision().dtype).removeprefix("torch.")
    return f"""# {title}

`{command}`: seconds a picture, median (least to most). Ours includes queue, previews and saving. {notes}
{torch.get_num_threads()} threads, {dtype}; torch {torch.__version__}, diffusers {diffusers.__version__}.

| case | ours | diffusers | ours / diffusers | runs |
|---|---|---|---|---|
""" + "".join(f"{one}\n" for one in rows)


def publish(name: str, text: str) -> None:
    """Writes a page of results, and shows it."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(text)
    print(text)


def options(module: str, description: str) -> argparse.Namespace:
    """The arguments that every such benchmark takes."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=description)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each, after one warm-up (full size: 3)")
    parser.add_argument("--only", choices=("starter", "full"))
    return parser.parse_args()


def _tokens(text: str) -> torch.Tensor:
    ids = [BOS, *encode(text), EOS]
    return torch.tensor([ids + [EOS] * (77 - len(ids))])


def _times(seconds: tuple[float, ...]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
