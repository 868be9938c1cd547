"""A full-size SD 1.5 checkpoint of random numbers (2.1 GB, fp16), written in seconds, for benchmarks to load."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import numpy as np

from tests.toy import Shapes, clip_shapes, under, unet_shapes, vae_shapes

BLOCK = 1 << 22  # random numbers that every tensor is cut from; drawing a thousand million anew would take a minute


def full_size_shapes() -> Shapes:
    """Every tensor of v1-5-pruned-emaonly.safetensors that computes."""
    unet = unet_shapes(widths=(320, 640, 1280, 1280), attended=(True, True, True, False), blocks=2, context=768)
    return {
        **under("model.diffusion_model.", unet),
        **under("first_stage_model.", vae_shapes(widths=(128, 256, 512, 512), blocks=2)),
        **under("cond_stage_model.transformer.text_model.", clip_shapes(width=768, layers=12)),
    }


def write_full_checkpoint(path: Path, shapes: Shapes | None = None) -> Path:
    """Writes the file, unless one of the right size is there, and gives its path. Activations stay near 1, so pictures
    are finite noise. Uses some megabytes of memory.
    """
    shapes = shapes or full_size_shapes()
    header, size = _header(shapes)
    if path.exists() and path.stat().st_size == 8 + len(header) + size:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    block = np.random.default_rng(0).standard_normal(BLOCK, dtype=np.float32)
    scaled: dict[float, np.ndarray] = {}
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for name, shape in shapes.items():
            scale, shift = _scale_and_shift(name, shape)
            if shift:
                file.write((block[: shape[0]] * scale + shift).astype(np.float16).tobytes())
                continue
            if scale not in scaled:
                scaled[scale] = (block * scale).astype(np.float16)
            numbers = prod(shape)
            for start in range(0, numbers, BLOCK):
                file.write(memoryview(scaled[scale][: min(BLOCK, numbers - start)]))
    return path


def _header(shapes: Shapes) -> tuple[bytes, int]:
    """The safetensors header and the bytes of all tensors."""
    table, position = {}, 0
    for name, shape in shapes.items():
        end = position + prod(shape) * 2
        table[name] = {"dtype": "F16", "shape": shape, "data_offsets": [position, end]}
        position = end
    text = json.dumps(table).encode()
    return text + b" " * (-len(text) % 8), position


def _scale_and_shift(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Spread and mean of a tensor's numbers: norms multiply by about 1, layers keep the spread of their input."""
    if len(shape) == 1:
        return 0.1, float(name.endswith("weight"))
    return (0.02 if "embedding" in name else prod(shape[1:]) ** -0.5), 0.0
