"""Reads an embedding out of a picture that A1111 made of it: from a PNG's text, or from the pixels themselves.

In the pixels, the data is JSON compressed by zlib, cut into halves of four bits: the low halves stand to the left of
the picture, the high ones to the right, a black column beside each, and both in the lowest four bits of red, green and
blue, mixed with a fixed sequence of pseudo-random numbers.
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import UserError
from .opening import opened

TEXT = "sd-ti-embedding"
LARGEST = 64 << 20  # bytes of JSON; a large embedding has one


def embedded_table(path: Path) -> dict[str, Any] | None:
    """The JSON object that a picture carries; None for a picture like any other. Raises UserError for one that cannot
    be read.
    """
    with opened(path) as picture:
        text = getattr(picture, "text", {}).get(TEXT)
        halves = None if text else _halves(np.asarray(picture.convert("RGB")))
    try:
        found = json.loads(base64.b64decode(text)) if text else _unpacked(*halves) if halves else None
    except (ValueError, RecursionError, zlib.error) as error:
        if text:
            raise UserError(f"{path.name} carries an embedding that cannot be read.") from error
        return None  # black columns, but nothing beside them
    return found if isinstance(found, dict) else None


def _halves(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The low and the high half of what the picture, uint8 (height, width, 3), may hide; None without black columns."""
    numbers = _without_frame(pixels) & 15
    black = np.flatnonzero(numbers.sum(axis=(0, 2)) == 0)
    if len(black) < 2:
        return None
    low, high = numbers[:, : black[0]], numbers[:, black[-1] + 1 :]
    return (low, high) if low.size == high.size else None


def _unpacked(low: np.ndarray, high: np.ndarray) -> Any:
    """Raises ValueError or zlib.error when this is no data."""
    packed = _unmixed(high) << 4 | _unmixed(low)
    return json.loads(zlib.decompressobj().decompress(packed.tobytes(), LARGEST))


def _without_frame(pixels: np.ndarray) -> np.ndarray:
    """The picture without rows and columns at its edges in which no pixel has all colours."""
    lit = (pixels > 0).all(axis=2)
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    if not len(rows):
        return pixels[:0]
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _unmixed(block: np.ndarray) -> np.ndarray:
    """The block's numbers below 16, flat, without the pseudo-random ones: those of a linear congruential generator,
    whose n-th state is the sum of the first n powers of its factor, times its summand.
    """
    powers = np.full(block.size, 1664525, np.uint32)
    powers[:1] = 1
    states = powers.cumprod(dtype=np.uint32).cumsum(dtype=np.uint32) * np.uint32(1013904223)
    return block.reshape(-1) ^ (states % 255 & 15).astype(np.uint8)
