"""Checkpoints that everyone starts from, at full size: recognised, loaded, rendered, and equal to diffusers.

    python -m benchmarks.families [--only NAME ...] [--folder DIR]

Writes each file of random numbers with the true names and kinds of numbers, has it do everything in processes of their
own without a network, and deletes it. Writes benchmarks/results/families.md. Takes up to 7 GB of disk and 14 GiB of
memory, for SDXL; half an hour on two cores. What was found of a file is kept in DIR, where a run that broke off goes
on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any

import torch

from modules.weights.memory import free_memory
from tests.catalog import architectures

from .every import FILES
from .files import Made

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "families.md"
COMPARED = ("unet", "text", "vae")
SPARE, PATIENCE = 2.0, 1800  # GiB left to others; seconds to wait for memory

Row = dict[str, dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.families", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[made.name for made in FILES], default=[])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "easel-benchmarks" / "families")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Row] = {}
    for made in FILES:
        kept = options.folder / f"{made.name}.row.json"
        if not kept.exists() and (not options.only or made.name in options.only):
            kept.write_text(json.dumps(_checked(made, options.folder / "now")))
        if kept.exists():
            rows[made.name] = json.loads(kept.read_text())
    report = _report(rows)
    RESULT.write_text(report)
    print(report)


def _checked(made: Made, folder: Path) -> Row:
    """Everything about one file, which is there only meanwhile."""
    row: Row = {}
    try:
        for check in ("write", "render", "compare"):
            _wait_for_memory(_needed(made, check))
            found = _run(check, folder, made.name)
            row |= found if check == "compare" else {check: found}
            print(f"{made.name}: {check}: {found}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return row


def _needed(made: Made, check: str) -> float:
    """GiB that a check takes: in float32 all networks to paint with them, the UNet to compare it."""
    numbers = {name: prod(shape) for name, (_, shape) in made.table.items()}
    numbers |= {f"{place} {name}": prod(one[1]) for place, table in made.apart.items() for name, one in table.items()}
    unet = sum(count for name, count in numbers.items() if name.startswith(architectures.UNET))
    taken = {"write": sum(numbers.values()) * made.name.endswith(".ckpt"), "render": sum(numbers.values())}
    if made.cut:
        taken["compare"] = sum(numbers.values())
    return 4 * taken.get(check, unet) / 2**30 + 1


def _run(check: str, folder: Path, name: str) -> dict[str, Any]:
    """What a process of its own says. Raises RuntimeError, with its words, if it fails."""
    command = [sys.executable, "-m", "benchmarks.families.checks", check, str(folder), name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def _wait_for_memory(needed: float) -> None:
    """Returns when so many GiB are free, and some to spare."""
    end = time.monotonic() + PATIENCE
    while (free_memory(torch.device("cpu")) or 2**63) < (needed + SPARE) * 2**30:
        if time.monotonic() > end:
            raise SystemExit(f"{needed + SPARE:.0f} GiB of memory did not become free.")
        time.sleep(5)


def _report(rows: dict[str, Row]) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "transformers"))
    lines = [_line(made, rows[made.name]) for made in FILES if made.name in rows]
    absent = ", ".join(f"`{made.name}`" for made in FILES if made.name not in rows)
    missing = f"\nNot run yet: {absent}.\n" if absent else ""
    return f"""# The checkpoints that everyone starts from

Made by `python -m benchmarks.families`. Each file is written at full size with random numbers, under the published
file's names of tensors, shapes and kinds of numbers; pickles with what PyTorch Lightning leaves in them. Then it is
found by the list of models, loaded by the engine and painted with through the queue (64 x 64, 2 steps, float32), in a
process that is refused every connection and address.

The last three columns: the largest difference between our network's output, in float32, and that of diffusers' or
transformers' class, built from the official configuration and filled with the same file by diffusers' own conversion;
in brackets the spread of that output. UNet: one call at 16 x 8 latents, SDXL's with pooled vector, sizes and crop,
the refiner's with its aesthetic score. Text: one prompt; SD 1 with clip skip 1 and 2, SD 2 at the last layer but one
and padded with 0, SDXL both encoders and the pooled vector. VAE: decoder and encoder.

| file | tensors | recognised as | predicts | paints | UNet | text | VAE |
|---|---|---|---|---|---|---|---|
{chr(10).join(lines)}
{missing}
SD 3, SD 3.5 and FLUX have their true widths and few blocks, which their rows say; their text encoders and VAEs lie
inside or in files of their own, as their makers publish them. In place of the UNet, their transformer: FLUX's latents
are packed as diffusers packs them. Text: what diffusers' pipelines put together of one prompt, T5's words from a
tokenizer that is made for it.

"Paints": the largest memory of the process that did, pages of the mapped file included. {packages}.
"""


def _line(made: Made, row: Row) -> str:
    render, dtypes = row["render"], {entry[0] for entry in made.table.values() if not entry[0].startswith("I")}
    tensors = f"{len(made.table):,} of {' and '.join(sorted(dtypes)).lower()}, {made.gigabytes:.2f} GB"
    beside = f", with {render['vae']}" if render["vae"] else ""
    beside += ", with a .yaml" if made.yaml else ""
    beside += f" ({made.cut})" if made.cut else ""
    beside += f", with {', '.join(Path(name).name for name in made.apart)}" if made.apart else ""
    paints = f"{render['peak']:.1f} GiB"
    compared = " | ".join(f"{_shown(row[one]['difference'])} ({row[one]['spread']:.2f})" for one in COMPARED)
    found = f"{render['recognised']} | {render['predicts']}"
    return f"| `{made.name}`{beside} | {tensors} | {found} | {paints} | {compared} |"


def _shown(difference: float) -> str:
    return f"{difference:.0e}" if difference else "0, to the bit"


if __name__ == "__main__":
    main()
