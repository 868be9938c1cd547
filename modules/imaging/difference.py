"""How far two pictures are apart."""

from __future__ import annotations

import math
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


def signal_to_noise(first: numpy.ndarray, second: numpy.ndarray) -> float:
    """PSNR in decibels of pixels, uint8 (height, width, 3), of one size: 40 is hard to see, equal ones have inf."""
    error = numpy.square(first.astype(numpy.float64) - second).mean()
    return math.inf if error == 0 else float(10 * math.log10(255**2 / error))


def amplified(first: numpy.ndarray, second: numpy.ndarray, times: int) -> numpy.ndarray:
    """Where two pictures (height, width, 3) differ, so many times as bright as it is: black where they are equal."""
    apart = numpy.abs(first.astype(numpy.int32) - second) * times
    return numpy.minimum(apart, 255).astype(numpy.uint8)
