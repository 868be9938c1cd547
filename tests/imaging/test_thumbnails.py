"""Small copies for the gallery."""

from __future__ import annotations

import io
from pathlib import Path

import numpy
import pytest
from PIL import Image

from modules.core.errors import UserError
from modules.imaging.metadata import read_metadata
from modules.imaging.save import encode, save_picture
from modules.imaging.thumbnails import thumbnail

WIDE = numpy.full((300, 900, 3), (200, 40, 40), numpy.uint8)


@pytest.mark.parametrize("format", ["webp", "jpeg"])
@pytest.mark.parametrize("source_format", ["png", "jpg", "webp", "gif", "avif"])
def test_a_thumbnail_keeps_the_aspect_and_the_colour(tmp_path: Path, format: str, source_format: str) -> None:
    path = save_picture(WIDE, tmp_path, "1", format=source_format)
    content = thumbnail(path, 120, format)
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == format.upper()
        assert image.size == (120, 40)
        assert numpy.abs(numpy.asarray(image.convert("RGB")).astype(int) - (200, 40, 40)).max() < 20
    assert len(content) < 3000


def test_a_small_picture_is_not_enlarged() -> None:
    with Image.open(io.BytesIO(thumbnail(encode(WIDE[:10, :20], "png")[0], 320))) as image:
        assert image.size == (20, 10)


def test_transparency_survives_as_webp() -> None:
    clear = numpy.zeros((8, 8, 4), numpy.uint8)
    with Image.open(io.BytesIO(thumbnail(encode(clear, "png")[0]))) as image:
        assert numpy.asarray(image)[..., 3].max() == 0


def test_a_truncated_picture_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "half.png").write_bytes(encode(WIDE, "png")[0][:300])
    with pytest.raises(UserError, match=r"half\.png cannot be read"):
        thumbnail(tmp_path / "half.png")


def test_a_picture_that_lies_on_its_side_is_shown_upright(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    lying = Image.fromarray(WIDE)
    lying.paste("white", (0, 0, 450, 300))
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    lying.save(path, exif=exif)
    with Image.open(io.BytesIO(thumbnail(path, 90))) as image:
        assert image.size == (30, 90)
        assert image.getpixel((15, 20))[2] > 200 > image.getpixel((15, 70))[2]
    found = read_metadata(path)
    assert (found.width, found.height) == (300, 900)
