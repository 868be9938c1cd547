"""Grids, laid out as A1111's."""

from __future__ import annotations

import numpy
import pytest

from modules.imaging.grids import grid, grid_shape


@pytest.mark.parametrize(
    ("count", "options", "shape"),
    [
        (1, {}, (1, 1)),
        (2, {}, (1, 2)),
        (4, {}, (2, 2)),
        (5, {}, (2, 3)),
        (7, {}, (3, 3)),
        (7, {"no_empty_spots": True}, (1, 7)),
        (12, {"no_empty_spots": True}, (3, 4)),
        (6, {"rows": 0, "batch_size": 3}, (3, 2)),
        (6, {"rows": 4}, (4, 2)),
        (2, {"rows": 9}, (2, 1)),
    ],
)
def test_rows_and_columns_follow_a1111(count: int, options: dict[str, int], shape: tuple[int, int]) -> None:
    assert grid_shape(count, **options) == shape


def test_pictures_stand_row_by_row_and_empty_spots_show_the_background() -> None:
    pictures = [numpy.full((2, 3, 3), number, numpy.uint8) for number in (1, 2, 3)]
    sheet = grid(pictures, (2, 2), background=(9, 9, 9))
    assert sheet.shape == (4, 6, 3)
    assert [int(sheet[row, column, 0]) for row in (0, 2) for column in (0, 3)] == [1, 2, 3, 9]


def test_a_smaller_picture_does_not_stretch() -> None:
    sheet = grid([numpy.zeros((4, 4, 3), numpy.uint8), numpy.full((2, 2, 3), 5, numpy.uint8)], (1, 2))
    assert sheet[1, 5, 0] == 5
    assert sheet[3, 7, 0] == 255
