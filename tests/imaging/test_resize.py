"""Pictures of one shape brought to another, as A1111 does it."""

from __future__ import annotations

import numpy
import pytest
from PIL import Image

from modules.core.sections.image import RESIZE_MODES
from modules.imaging.resize import contained, covering, lanczos, multiple_of, resized

WIDE = Image.fromarray(numpy.tile(numpy.arange(60, dtype=numpy.uint8)[None, :, None] * 4, (20, 1, 3)))


@pytest.mark.parametrize("mode", RESIZE_MODES)
@pytest.mark.parametrize("size", [(40, 40), (64, 8), (8, 64), (60, 20), (1, 1), (200, 30)])
@pytest.mark.parametrize("kind", ["RGB", "L"])
def test_every_mode_gives_exactly_the_size(mode: str, size: tuple[int, int], kind: str) -> None:
    result = resized(WIDE.convert(kind), mode, *size)
    assert (result.size, result.mode) == (size, kind)


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_a_picture_that_fits_is_not_touched(mode: str) -> None:
    assert numpy.array_equal(numpy.asarray(resized(WIDE, mode, 60, 20)), numpy.asarray(WIDE))


def test_stretching_shows_all_of_it() -> None:
    row = numpy.asarray(resized(WIDE, "Just resize", 20, 20))[10, :, 0]
    assert row[0] < 12
    assert row[-1] > 220


def test_cropping_shows_the_middle_in_its_own_shape() -> None:
    row = numpy.asarray(resized(WIDE, "Crop and resize", 20, 20))[10, :, 0]
    assert numpy.abs(row.astype(int) - numpy.arange(20, 40) * 4).max() <= 1


def test_filling_shows_all_of_it_and_draws_the_edges_out() -> None:
    tall = Image.fromarray(numpy.tile(numpy.arange(20, dtype=numpy.uint8)[:, None, None] * 10, (1, 60, 3)))
    pixels = numpy.asarray(resized(tall, "Resize and fill", 60, 60))[..., 0]
    assert numpy.array_equal(pixels[20:40, 0], numpy.arange(20) * 10)
    assert set(pixels[:20].flat) == {0}
    assert set(pixels[40:].flat) == {190}


def test_a_scaler_can_be_given() -> None:
    asked: list[tuple[int, int]] = []

    def scaler(image: Image.Image, width: int, height: int) -> Image.Image:
        asked.append((width, height))
        return lanczos(image, width, height)

    resized(WIDE, "Crop and resize", 40, 40, scaler)
    assert asked == [(120, 40)]


def test_sizes_cover_or_fit() -> None:
    assert (covering((60, 20), 40, 40), contained((60, 20), 40, 40)) == ((120, 40), (40, 13))
    assert (covering((20, 60), 40, 40), contained((20, 60), 40, 40)) == ((40, 120), (13, 40))
    assert contained((10_000, 1), 8, 8) == (8, 1)
    assert (multiple_of(8, 515.9), multiple_of(8, 20)) == (512, 64)
