"""Pictures made larger on some sides, with something to start from where nothing is yet."""

from __future__ import annotations

import numpy
from PIL import Image

from ..core.sections.outpaint import OUTPAINT_FILLS

MIRROR, NOISE, EDGE = OUTPAINT_FILLS
GRAINS = (64, 16, 4, 1)  # pixels: noise of several sizes, as pictures have detail of several sizes

Sides = tuple[int, int, int, int]
"""Pixels to add: left, up, right, down."""


def extended(image: numpy.ndarray, sides: Sides, fill: str, seed: int = 0) -> numpy.ndarray:
    """An RGB picture, uint8 (h, w, 3), with pixels added on its sides: mirrored, noise of its colours, or its edge.

    The picture itself is unchanged; the noise depends on `seed` alone.
    """
    left, up, right, down = sides
    margins = ((up, down), (left, right), (0, 0))
    if fill == NOISE:
        height, width = image.shape[:2]
        result = _noise(image, width + left + right, height + up + down, seed)
        result[up : up + height, left : left + width] = image
        return result
    return numpy.pad(image, margins, "symmetric" if fill == MIRROR else "edge")


def extended_mask(mask: numpy.ndarray, sides: Sides) -> numpy.ndarray:
    """A mask, uint8 (h, w), with all that was added white."""
    left, up, right, down = sides
    return numpy.pad(mask, ((up, down), (left, right)), constant_values=255)


def sides_in_steps(size: tuple[int, int], sides: Sides, step: int = 8, least: int = 64) -> Sides:
    """The sides made as much longer as it takes for the whole to be a multiple of `step`, and at least `least`.

    `size` is the picture's own, (width, height). What grows is the last side that was to grow.
    """
    left, up, right, down = sides
    wide, high = (_missing(length, step, least) for length in (size[0] + left + right, size[1] + up + down))
    if right or not left:
        right += wide
    else:
        left += wide
    if down or not up:
        down += high
    else:
        up += high
    return left, up, right, down


def _missing(length: int, step: int, least: int) -> int:
    return max(least, -(-length // step) * step) - length


def _noise(image: numpy.ndarray, width: int, height: int, seed: int) -> numpy.ndarray:
    """Pixels drawn from the picture, in grains of several sizes laid over each other. (height, width, 3)."""
    generator = numpy.random.default_rng(seed)
    colours = image.reshape(-1, 3)
    layers = []
    for grain in GRAINS:
        rows, columns = -(-height // grain), -(-width // grain)
        drawn = colours[generator.integers(0, len(colours), rows * columns)].reshape(rows, columns, 3)
        layers.append(numpy.asarray(Image.fromarray(drawn).resize((width, height), Image.Resampling.BICUBIC), float))
    return numpy.rint(sum(layers) / len(layers)).astype(numpy.uint8)
