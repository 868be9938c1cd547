"""Pictures worked on tile by tile: how they are cut, and joined again without seams.

Neighbours overlap. A tile counts fully in its middle and not at all at its edge, where whoever made it did not see what
lies beyond; over the middle half of the overlap one tile gives way to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy

Paint = Callable[[numpy.ndarray], numpy.ndarray]


@dataclass(frozen=True)
class Grid:
    """Rows and columns of tiles of one size, evenly spread; `overlap` is the least that neighbours share, in pixels."""

    width: int
    height: int
    tile_width: int
    tile_height: int
    overlap: int

    @property
    def columns(self) -> list[tuple[int, int]]:
        """Left and right edge of each column."""
        return cuts(self.width, self.tile_width, self.overlap)

    @property
    def rows(self) -> list[tuple[int, int]]:
        """Top and bottom edge of each row."""
        return cuts(self.height, self.tile_height, self.overlap)

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)


def cuts(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """First and last-but-one pixel of the tiles along one side. At most half of a tile is taken as overlap."""
    tile = min(tile, length)
    fresh = tile - min(overlap, tile // 2)
    steps = -(-(length - tile) // fresh)
    starts = [round(number * (length - tile) / steps) for number in range(steps + 1)] if steps else [0]
    return [(start, start + tile) for start in starts]


def shares(edges: list[tuple[int, int]], overlap: int, scale: int = 1) -> list[numpy.ndarray]:
    """How much each tile counts at each of its pixels, float32, `scale` times as many; at every place they sum to 1."""
    length, overlap = edges[-1][1] * scale, min(overlap, (edges[0][1] - edges[0][0]) // 2)
    weights = numpy.zeros((len(edges), length), numpy.float32)
    for number, (start, end) in enumerate(edges):
        places = numpy.arange(start * scale, end * scale) + 0.5
        weight = numpy.ones(len(places))
        if number:
            weight *= _rise(places, (edges[number - 1][1] + start) * scale / 2, overlap * scale)
        if number < len(edges) - 1:
            weight *= 1 - _rise(places, (end + edges[number + 1][0]) * scale / 2, overlap * scale)
        weights[number, start * scale : end * scale] = weight
    weights /= weights.sum(0)
    return [weights[number, start * scale : end * scale] for number, (start, end) in enumerate(edges)]


def mosaic(picture: numpy.ndarray, grid: Grid, paint: Paint, scale: int = 1) -> numpy.ndarray:
    """The whole from its tiles: uint8 (height * scale, width * scale, channels). Arguments as for `strips`."""
    result: numpy.ndarray | None = None
    for top, rows in strips(picture, grid, paint, scale):
        if result is None:
            result = numpy.empty((grid.height * scale, *rows.shape[1:]), numpy.uint8)
        result[top : top + len(rows)] = numpy.clip(numpy.rint(rows), 0, 255)
    return result


def strips(picture: numpy.ndarray, grid: Grid, paint: Paint, scale: int = 1) -> Iterator[tuple[int, numpy.ndarray]]:
    """The finished rows of the whole, downwards: where they begin, and float32 (rows, width * scale, channels).

    `paint` is given one tile of `picture` (height, width, channels) after another, row by row, and gives what becomes
    of it, `scale` times as large. Only one row of tiles is held at a time.
    """
    rows, columns = grid.rows, grid.columns
    row_shares, column_shares = shares(rows, grid.overlap, scale), shares(columns, grid.overlap, scale)
    unfinished: numpy.ndarray | None = None
    for number, (top, bottom) in enumerate(rows):
        strip: numpy.ndarray | None = None
        for (left, right), share in zip(columns, column_shares, strict=True):
            tile = paint(picture[top:bottom, left:right])
            if strip is None:
                strip = numpy.zeros(((bottom - top) * scale, grid.width * scale, tile.shape[2]), numpy.float32)
            strip[:, left * scale : right * scale] += tile * share[None, :, None]
        strip *= row_shares[number][:, None, None]
        if unfinished is not None:
            strip[: len(unfinished)] += unfinished
        finished = ((rows[number + 1][0] if number < len(rows) - 1 else bottom) - top) * scale
        yield top * scale, strip[:finished]
        unfinished = strip[finished:]


def _rise(places: numpy.ndarray, middle: float, overlap: float) -> numpy.ndarray:
    """From 0 to 1 over half of the overlap around `middle`; never quite 0, so that every place belongs to some tile."""
    along = numpy.clip((places - middle) / max(overlap / 2, 1) + 0.5, 1e-6, 1)
    return along * along * (3 - 2 * along)
