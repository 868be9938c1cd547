"""Our txt2img, from a queued job to a saved PNG with previews on the way, against a plain diffusers pipeline.

    python -m benchmarks.txt2img [--runs 5] [--only starter|full]

Same weights, same threads, same dtype, same steps, one process, alternating runs. diffusers gets its own copy of the
modules, its Euler scheduler, and saves its PNG as Pillow does. Two cases: 20 steps of the starter model at its native
size, and 3 steps of a full-size SD 1.5 of random numbers at 512. Writes benchmarks/results/txt2img.md.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from diffusers import StableDiffusionPipeline

from .versus import Ours, cases, options, publish, report, row, theirs

FULL_STEPS = 3


def main() -> None:
    chosen = options("txt2img", __doc__)
    folder, rows = Path(tempfile.mkdtemp(prefix="benchmark-")), []
    for case, runs in cases(chosen.only, chosen.runs, steps=20):
        if case.size:
            case = replace(case, name=f"full-size SD 1.5, 512, {FULL_STEPS} steps", steps=FULL_STEPS)
        with Ours(case, folder / case.checkpoint.stem) as ours:
            other = theirs(StableDiffusionPipeline, case, folder, width=ours.size, height=ours.size)
            rows.append(row(case.name, ours.make, other, runs))
    publish("txt2img.md", report("txt2img against diffusers", "python -m benchmarks.txt2img", "", rows))


if __name__ == "__main__":
    main()
