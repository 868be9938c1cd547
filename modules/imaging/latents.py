"""Latents, which are no colours, drawn so that people see what is in them. Plain arrays: no torch is needed."""

from __future__ import annotations

from typing import Final

import numpy
from numpy.typing import NDArray

# Colours of values: below 0 blue, near it dark, above it orange; and of strengths, from nothing to the most.
SIGNED: Final = ((112, 190, 255), (30, 96, 156), (24, 25, 30), (172, 84, 24), (255, 196, 112))
STRENGTH: Final = ((16, 16, 20), (58, 34, 92), (150, 46, 98), (226, 104, 62), (255, 214, 120), (255, 252, 232))
USUAL: Final = 99.5  # so many percent of all values are told apart; the few beyond look like the last of these

Latents = NDArray[numpy.float32]
Pixels = NDArray[numpy.uint8]


def in_colours(latents: Latents, factors: Latents, bias: Latents) -> Pixels:
    """Latents (channels, h, w) as the colours that they nearly are, (h, w, 3): by a matrix (channels, 3) and a bias
    (3,) that give -1 to 1.
    """
    colours = numpy.einsum("chw,cr->hwr", latents, factors) + bias
    return numpy.clip(numpy.rint((colours + 1) * 127.5), 0, 255).astype(numpy.uint8)


def side_by_side(latents: Latents) -> tuple[Pixels, float]:
    """Each channel of (channels, h, w) as a picture, beside each other: (h, channels * w, 3); and the value that has
    the brightest colour. All share one scale, so that they can be compared.
    """
    limit = _limit(numpy.abs(latents))
    row = numpy.concatenate(list(latents), axis=1)
    return _mapped((row / limit + 1) / 2, SIGNED), limit


def strength(latents: Latents) -> tuple[Pixels, float]:
    """How far from 0 all channels of (channels, h, w) are together, at each place: (h, w, 3); and the value that has
    the brightest colour.
    """
    lengths = numpy.sqrt(numpy.square(latents, dtype=numpy.float64).mean(axis=0))
    limit = _limit(lengths)
    return _mapped(lengths / limit, STRENGTH), limit


def deviation(latents: Latents) -> float:
    """The root of the mean square of all values: 1 for plain noise."""
    return float(numpy.sqrt(numpy.square(latents, dtype=numpy.float64).mean()))


def _limit(sizes: NDArray) -> float:
    return max(float(numpy.percentile(sizes, USUAL)), 1e-6)


def _mapped(shares: NDArray, colours: tuple[tuple[int, int, int], ...]) -> Pixels:
    """Shares from 0 to 1 as colours between the given ones, evenly spaced."""
    stops = numpy.linspace(0, 1, len(colours))
    bands = [numpy.interp(shares, stops, [colour[band] for colour in colours]) for band in range(3)]
    return numpy.rint(numpy.stack(bands, axis=-1)).astype(numpy.uint8)
