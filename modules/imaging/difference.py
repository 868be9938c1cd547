"""How far two pictures are apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy

from ..core.errors import UserError


@dataclass(frozen=True)
class Difference:
    """Of all colour values, 0 to 255: the mean and the largest distance, and which share of the pixels is equal."""

    mean: float
    largest: int
    equal: float


def difference(first: numpy.ndarray, second: numpy.ndarray) -> Difference:
    """Compares pixels, uint8 (height, width, 3 or 4), without their alpha. Raises UserError for two sizes."""
    if first.shape[:2] != second.shape[:2]:
        sizes = (f"{width} x {height}" for height, width in (first.shape[:2], second.shape[:2]))
        raise UserError("The pictures have {} and {} pixels.".format(*sizes), hint="Compare pictures of one size.")
    apart = numpy.abs(first[..., :3].astype(numpy.int16) - second[..., :3])
    return Difference(float(apart.mean()), int(apart.max()), float((apart.max(axis=2) == 0).mean()))
