"""An SDXL at its full size: loaded, and painted with at 1024 x 1024, and the memory that takes.

    python -m benchmarks.sdxl [--steps 2] [--folder DIR]

Writes the file of random numbers (6.9 GB, fp16), paints through the real queue in a process of its own, and deletes
the file. Writes benchmarks/results/sdxl.md. Takes up to 18 GiB of memory; some minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from modules.app import ENVIRONMENT
from modules.weights.precision import choose_precision

from .families.every import FILES
from .versus import CFG, Case, Ours

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "sdxl.md"
NAME, SIDE, SMALL = "sd_xl_base_1.0.safetensors", 1024, 64
MACHINE = 24  # GiB that it has to fit into


@dataclass(frozen=True)
class Stage:
    """`seconds` of a job, and bytes of the most memory that the process had by its end."""

    name: str
    seconds: float
    peak: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sdxl", description=__doc__)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "easel-benchmarks" / "sdxl")
    parser.add_argument("--paint", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.paint:
        print(json.dumps([asdict(stage) for stage in _painted(options.paint, options.steps)]))
        return
    try:
        path = next(made for made in FILES if made.name == NAME).write(options.folder)
        command = [sys.executable, "-m", "benchmarks.sdxl", "--steps", str(options.steps), "--paint", str(path)]
        environment = {**os.environ, **ENVIRONMENT}
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        size = path.stat().st_size
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)
    report = _report([Stage(**stage) for stage in json.loads(done.stdout.splitlines()[-1])], size)
    RESULT.write_text(report)
    print(report)


def _painted(path: Path, steps: int) -> list[Stage]:
    """A small picture, for which it is loaded, and one of the size that it was trained for."""
    with tempfile.TemporaryDirectory() as folder, Ours(Case("SDXL", path, SIDE, steps), Path(folder)) as ours:
        small = ours.make(width=SMALL, height=SMALL, steps=1)
        loaded = Stage(f"loaded, and a picture of {SMALL} x {SMALL}, 1 step", small, _peak())
        large = ours.make()
        return [loaded, Stage(f"a picture of {SIDE} x {SIDE}, {steps} steps with CFG {CFG:g}", large, _peak())]


def _peak() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024


def _report(stages: list[Stage], size: int) -> str:
    most = max(stage.peak for stage in stages) / 2**30
    lines = [f"| {stage.name} | {stage.seconds:.0f} | {stage.peak / 2**30:.1f} |" for stage in stages]
    dtype = str(choose_precision().dtype).removeprefix("torch.")
    return f"""# An SDXL in {MACHINE} GiB

Made by `python -m benchmarks.sdxl`: a file with the names, shapes and numbers of `{NAME}` ({size / 1e9:.2f} GB, fp16,
random weights), painted with in {dtype} on the CPU through the queue, previews and saving included, in one process.
Memory is the most that the process had by then, pages of the mapped file and all imports included.
{torch.get_num_threads()} threads, torch {torch.__version__}, Python {platform.python_version()}.

| what | seconds | memory, GiB |
|---|---|---|
{chr(10).join(lines)}

Of {MACHINE} GiB, {MACHINE - most:.1f} stay free.
"""


if __name__ == "__main__":
    main()
