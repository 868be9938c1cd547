"""Many pictures as one: a grid, laid out as A1111 lays out its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy


def grid_shape(count: int, rows: int = -1, batch_size: int = 1, no_empty_spots: bool = False) -> tuple[int, int]:
    """(rows, columns) for `count` pictures, at least 1. `rows`: that many; 0: as many as a batch has pictures; -1:
    about as many as columns, or with `no_empty_spots` the nearest fewer that divide the count.
    """
    if rows == 0:
        rows = batch_size
    elif rows < 0 and no_empty_spots:
        rows = next(number for number in range(math.isqrt(count), 0, -1) if count % number == 0)
    elif rows < 0:
        rows = round(math.sqrt(count))
    rows = max(1, min(rows, count))
    return rows, math.ceil(count / rows)


def grid(
    pictures: Sequence[numpy.ndarray], shape: tuple[int, int], background: tuple[int, int, int] = (255, 255, 255)
) -> numpy.ndarray:
    """The pictures, uint8 (height, width, 3), row by row in cells of the largest height and width among them.

    `shape`: (rows, columns), as `grid_shape` gives it. Empty spots show the background.
    """
    rows, columns = shape
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    sheet = numpy.full((rows * height, columns * width, 3), background, numpy.uint8)
    for index, picture in enumerate(pictures[: rows * columns]):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet
