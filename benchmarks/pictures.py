"""The textbook pictures, painted by the starter model with the X/Y/Z plot.

    python -m benchmarks.pictures

Writes docs/images/cfg-strip.png (CFG 0, 1, 2, 10 side by side), docs/images/xyz-grid.jpg (CFG x sampler) and
docs/images/starter-lora.png (prompts without and with the starter's LoRA).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

from modules import flags
from modules.app import folders_for
from modules.core.events import Event, PictureDone
from modules.core.hooks import Hooks
from modules.core.request import GenerationRequest
from modules.core.scripts import prepared
from modules.core.stop import StopToken
from modules.engine.engine import Engine
from modules.plugins.discover import discover
from modules.plugins.load import load_all

from .versus import STARTER

IMAGES = Path(__file__).parent.parent / "docs" / "images"
COMMON = {"negative_prompt": "", "steps": 20, "seed": 7, "width": 128, "height": 128, "checkpoint": str(STARTER)}
STRIP = {"x_type": "CFG Scale", "x_values": "0, 1, 2, 10", "margin_size": 4}
GRID = {
    "x_type": "CFG Scale",
    "x_values": "1, 3, 5, 8",
    "y_type": "Sampler",
    "y_values": "Euler, Euler a, DPM++ 2M, UniPC",
    "margin_size": 4,
}
STYLED = "a red house on the hills at sunset <lora:starter-blueprint:0>"
STYLE = {
    "x_type": "Prompt S/R",
    "x_values": "blueprint:0, blueprint:0.5, blueprint:1",
    "y_type": "Prompt S/R",
    "y_values": '"a red house on the hills at sunset", "a white lighthouse by the sea at night"',
    "margin_size": 4,
}


def main() -> None:
    hooks = Hooks()
    load_all(discover([]), hooks)
    with tempfile.TemporaryDirectory() as data:
        engine = Engine(folders_for(flags.parse(["--data-dir", data])), hooks)
        strip = plotted(engine, STRIP, prompt="a red house on the hills at sunset", sampler="DPM++ 2M", **COMMON)
        grid = plotted(engine, GRID, prompt="a lighthouse by the sea at night", **COMMON)
        style = plotted(engine, STYLE, prompt=STYLED, sampler="DDIM", cfg_scale=5.0, **COMMON)
        engine.close()
    Image.fromarray(strip).save(IMAGES / "cfg-strip.png", optimize=True)
    Image.fromarray(style).save(IMAGES / "starter-lora.png", optimize=True)
    Image.fromarray(grid).save(IMAGES / "xyz-grid.jpg", quality=90)


def plotted(engine: Engine, fields: dict[str, Any], **values: Any) -> numpy.ndarray:
    """The grid of a plot, uint8 (h, w, 3)."""
    request = GenerationRequest.checked({**values, "scripts": {"X/Y/Z plot": fields}})
    found: list[numpy.ndarray] = []

    def hear(event: Event) -> None:
        if isinstance(event, PictureDone) and event.picture.grid:
            found.append(event.picture.pixels)

    engine.generate("plot", prepared(request, GenerationRequest.checked), hear, StopToken())
    return found[0]


if __name__ == "__main__":
    main()
