from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from modules.imaging.mosaic import Grid, cuts, mosaic, shares


@pytest.mark.parametrize(
    ("length", "tile", "overlap"), [(100, 40, 10), (40, 40, 10), (41, 40, 10), (10, 1, 0), (517, 128, 500), (7, 64, 9)]
)
def test_tiles_cover_everything_and_overlap_at_least_as_asked(length: int, tile: int, overlap: int) -> None:
    edges = cuts(length, tile, overlap)
    assert edges[0][0] == 0 and edges[-1][1] == length
    assert {end - start for start, end in edges} == {min(tile, length)}
    least = min(overlap, min(tile, length) // 2)
    assert all(before[1] - after[0] >= least for before, after in pairwise(edges))


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_the_shares_of_all_tiles_sum_to_one_everywhere(scale: int) -> None:
    edges = cuts(300, 64, 24)
    total = np.zeros(300 * scale)
    for (start, end), share in zip(edges, shares(edges, 24, scale), strict=True):
        total[start * scale : end * scale] += share
    assert np.allclose(total, 1, atol=1e-5)


def test_a_tile_counts_nothing_at_the_edge_that_it_shares_and_all_in_its_middle() -> None:
    first, second = shares([(0, 64), (32, 96)], 32)
    assert first[-4:].max() < 1e-6 and second[:4].max() < 1e-6
    assert first[:40].min() > 0.999 and second[24:].min() > 0.999


@pytest.mark.parametrize("scale", [1, 2])
def test_a_mosaic_of_unchanged_tiles_is_the_picture(scale: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (101, 217, 3), dtype=np.uint8)
    seen: list[tuple[int, ...]] = []

    def paint(tile: np.ndarray) -> np.ndarray:
        seen.append(tile.shape)
        return tile.repeat(scale, 0).repeat(scale, 1)

    grid = Grid(217, 101, 64, 48, 16)
    assert np.array_equal(mosaic(picture, grid, paint, scale), picture.repeat(scale, 0).repeat(scale, 1))
    assert len(seen) == len(grid) and set(seen) == {(48, 64, 3)}


def test_tiles_of_different_brightness_run_into_each_other() -> None:
    """The steepest step between columns is a small part of the difference between the tiles."""
    levels = iter([0.0, 200.0])
    picture = np.zeros((8, 96, 3), np.uint8)
    grid = Grid(96, 8, 64, 8, 32)
    made = mosaic(picture, grid, lambda tile: np.full(tile.shape, next(levels), np.float32)).astype(int)
    assert made[0, 0, 0] == 0 and made[0, -1, 0] == 200
    assert 0 < np.abs(np.diff(made[0, :, 0])).max() <= 20
