"""Fifty switches between three full-size SD 1.5 checkpoints: the memory after each, and how long each takes.

    python -m benchmarks.switching [--switches 50] [--folder DIR]

Two models stay in memory: the open one and the one before it. Whoever goes back to that finds it there; the third is
loaded anew, and the oldest let go. After each switch the model paints one step. Writes benchmarks/results/switching.md
and docs/images/switching-memory.png. Takes 6.5 GB of disk and 12 GiB of memory; some minutes on a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from PIL import Image, ImageDraw, ImageFont

from modules.app import ENVIRONMENT
from modules.weights.precision import choose_precision
from modules.weights.residency import Loader
from modules.weights.weights import Weights

from .full_size import write_full_checkpoint

ROOT = Path(__file__).parents[1]
RESULT, CURVE = ROOT / "benchmarks" / "results" / "switching.md", ROOT / "docs" / "images" / "switching-memory.png"
NAMES = ("one", "two", "three")
GIB = 2**30
BACK, LOADED = (46, 125, 50), (25, 86, 156)  # colours of the two kinds of switch
SIDE, TOP, BOTTOM = 70, 50, 40  # pixels around the curve


@dataclass(frozen=True)
class Switch:
    """`back`: to a model that was in memory. `resident`: bytes of the process after the step."""

    name: str
    back: bool
    seconds: float
    resident: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.switching", description=__doc__)
    parser.add_argument("--switches", type=int, default=50)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "easel-benchmarks" / "switching")
    options = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    files = [write_full_checkpoint(options.folder / f"{name}.safetensors") for name in NAMES]
    for file in files:
        _read(file)
    switches, size = _switched(files, options.switches)
    CURVE.parent.mkdir(parents=True, exist_ok=True)
    _drawn(switches, size).save(CURVE, optimize=True)
    report = _report(switches, size)
    RESULT.write_text(report)
    print(report)


def _switched(files: list[Path], count: int) -> tuple[list[Switch], int]:
    """The switches, each to another model than before, and the bytes of one model in memory."""
    budget = [0]
    loader = Loader(choose_precision(), lambda: budget[0])
    chance, now, switches = random.Random(0), files[0], []
    weights = loader.open(now)
    _step(weights)
    loader.settle()
    size = weights.nbytes
    budget[0] = int(size * 1.3)  # one beside the open one
    for _ in range(count):
        now = chance.choice([file for file in files if file != now])
        back = now in loader.kept
        del weights
        began = time.perf_counter()
        weights = loader.open(now)
        seconds = time.perf_counter() - began
        _step(weights)
        loader.settle()  # as the engine does after a job
        switches.append(Switch(now.stem, back, seconds, _resident()))
        one = switches[-1]
        print(f"{one.name}: {'back' if back else 'loaded'}, {seconds:.3f} s, {one.resident / GIB:.2f} GiB", flush=True)
    loader.close()
    return switches, size


def _step(weights: Weights) -> None:
    """One call of each network, so that what they prepare at the first call is in memory too."""
    latents, text = torch.zeros(1, 4, 8, 8), torch.zeros(1, 77, weights.unet.config.cross_attention_dim)
    weights.decode(weights.predict(latents, torch.tensor([500.0]), text))


def _read(file: Path) -> None:
    """Has the file in the page cache, as one that is used has."""
    with file.open("rb", buffering=0) as stream:
        buffer = bytearray(1 << 22)
        while stream.readinto(buffer):
            pass


def _resident() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) * 1024


def _settled(switches: list[Switch]) -> list[Switch]:
    """Those after which two models were in memory: all but what came before the first load beside the first model."""
    first = next(number for number, switch in enumerate(switches) if not switch.back)
    return switches[first:]


def _report(switches: list[Switch], size: int) -> str:
    resident = [switch.resident for switch in _settled(switches)]
    spread = max(resident) / min(resident) - 1
    rows = [
        _row("back to a model in memory", [switch for switch in switches if switch.back]),
        _row("to a model that is loaded", [switch for switch in switches if not switch.back]),
    ]
    dtype = str(choose_precision().dtype).removeprefix("torch.")
    return f"""# Switching between three checkpoints

Made by `python -m benchmarks.switching`: {len(switches)} switches between three full-size SD 1.5 files (fp16, random
weights, in the page cache), computed with in {dtype}, where one takes {size / GIB:.2f} GiB. The budget keeps one beside
the open one. After each switch one step is painted. Python {platform.python_version()}, torch {torch.__version__}.

![Resident memory after each switch](../../docs/images/{CURVE.name})

| switch | how many | seconds, median | most |
|---|---|---|---|
{chr(10).join(rows)}

Resident memory after a switch, two models in it: {min(resident) / GIB:.2f} to {max(resident) / GIB:.2f} GiB, so flat
within {spread:.1%}; after the last {resident[-1] / GIB:.2f} GiB, after the first {resident[0] / GIB:.2f} GiB.
"""


def _row(name: str, switches: list[Switch]) -> str:
    seconds = [switch.seconds for switch in switches]
    times = f"{median(seconds):.3f} | {max(seconds):.3f}" if seconds else " | "
    return f"| {name} | {len(seconds)} | {times} |"


def _drawn(switches: list[Switch], size: int) -> Image.Image:
    """The memory after each switch; a dot's colour says whether the model was there or was loaded."""
    width, height = 900, 360
    picture = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    top = max(max(switch.resident for switch in switches), 2 * size) * 1.15
    across = (width - 2 * SIDE) / max(len(switches) - 1, 1)

    def place(number: int, resident: float) -> tuple[float, float]:
        return SIDE + number * across, height - BOTTOM - resident / top * (height - TOP - BOTTOM)

    for gigabytes in range(0, int(top / GIB) + 1, 2):
        left = place(0, gigabytes * GIB)
        draw.line([left, (width - SIDE, left[1])], fill=(225, 225, 225))
        draw.text((SIDE - 10, left[1]), f"{gigabytes} GiB", fill="black", font=font, anchor="rm")
    for number in range(9, len(switches), 10):
        draw.text((place(number, 0)[0], height - BOTTOM + 8), str(number + 1), fill="black", font=font, anchor="mt")
    places = [place(number, switch.resident) for number, switch in enumerate(switches)]
    draw.line(places, fill=(120, 120, 120), width=2)
    for (x, y), switch in zip(places, switches, strict=True):
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=BACK if switch.back else LOADED)
    draw.text((SIDE, 14), "Resident memory after each switch between three checkpoints", fill="black", font=font)
    draw.text((width - SIDE, 14), "was in memory", fill=BACK, font=font, anchor="ra")
    draw.text((width - SIDE - 110, 14), "loaded", fill=LOADED, font=font, anchor="ra")
    return picture


if __name__ == "__main__":
    main()
