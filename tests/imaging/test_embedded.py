"""Embeddings hidden in pictures are found, and ordinary pictures are not taken for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from modules.core.errors import UserError
from modules.imaging.embedded import embedded_table
from tests.embedded import in_pixels, in_text, table_of

TABLE = table_of(np.random.default_rng(1).normal(size=(3, 40)), "my style")
PICTURE = Image.fromarray(np.random.default_rng(2).integers(1, 256, (48, 64, 3), dtype=np.uint8))


def test_an_embedding_in_a_pngs_text_is_found(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.png", pnginfo=in_text(TABLE))
    assert embedded_table(tmp_path / "a.png") == TABLE


@pytest.mark.parametrize(("ending", "facts"), [("png", {}), ("webp", {"lossless": True})])
def test_an_embedding_in_the_pixels_is_found(tmp_path: Path, ending: str, facts: dict) -> None:
    path = tmp_path / f"a.{ending}"
    in_pixels(TABLE, PICTURE).save(path, **facts)
    assert embedded_table(path) == TABLE


def test_a_black_frame_around_the_picture_does_no_harm(tmp_path: Path) -> None:
    hidden = in_pixels(TABLE, PICTURE)
    framed = Image.new("RGB", (hidden.width + 9, hidden.height + 7))
    framed.paste(hidden, (4, 5))
    framed.save(tmp_path / "a.png")
    assert embedded_table(tmp_path / "a.png") == TABLE


def test_a_picture_like_any_other_carries_nothing(tmp_path: Path) -> None:
    striped = np.asarray(PICTURE).copy()
    striped[:, [10, 53]] = 0
    for number, pixels in enumerate((np.asarray(PICTURE), striped, np.zeros((8, 8, 3), np.uint8))):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        assert embedded_table(tmp_path / f"{number}.png") is None


def test_a_broken_text_is_refused_by_name(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("sd-ti-embedding", "AAAA")
    PICTURE.save(tmp_path / "odd.png", pnginfo=info)
    with pytest.raises(UserError, match=r"odd\.png carries an embedding that cannot be read"):
        embedded_table(tmp_path / "odd.png")
