"""Our PNG writer against Pillow's reader: lossless, whatever the size, and faster than Pillow's writer."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import numpy
import pytest
from PIL import Image

from modules.imaging.png import png


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (3, 5), (64, 64), (257, 131)])
@pytest.mark.parametrize("channels", [3, 4])
def test_pixels_come_back_exactly(size: tuple[int, int], channels: int) -> None:
    made = numpy.random.default_rng(1).integers(0, 256, (*size, channels), dtype=numpy.uint8)
    with Image.open(io.BytesIO(png(made, {}))) as image:
        image.load()
        assert image.mode == ("RGB" if channels == 3 else "RGBA")
        assert numpy.array_equal(numpy.asarray(image), made)


def test_pixels_need_not_lie_in_order_in_memory() -> None:
    made = numpy.random.default_rng(2).integers(0, 256, (8, 6, 3), dtype=numpy.uint8)[:, ::-1, ::-1]
    with Image.open(io.BytesIO(png(made, {}))) as image:
        assert numpy.array_equal(numpy.asarray(image), made)


def test_latin_text_is_a_text_chunk_and_other_text_an_international_one() -> None:
    content = png(numpy.zeros((2, 2, 3), numpy.uint8), {"parameters": "größe", "extras": "猫"})
    assert b"tEXtparameters\0gr\xf6\xdfe" in content
    assert b"iTXtextras\0\0\0\0\0" + "猫".encode() in content
    with Image.open(io.BytesIO(content)) as image:
        assert image.info == {"parameters": "größe", "extras": "猫"}


def test_it_is_faster_than_pillow() -> None:
    smooth = numpy.add.outer(numpy.arange(256), numpy.arange(256)) // 4
    noise = numpy.random.default_rng(3).integers(0, 8, (256, 256, 3))
    made = (smooth[..., None] + noise).astype(numpy.uint8)

    def pillow() -> None:
        Image.fromarray(made).save(io.BytesIO(), "png")

    assert _least_seconds(lambda: png(made, {})) < _least_seconds(pillow)


def _least_seconds(call: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return min(times)
