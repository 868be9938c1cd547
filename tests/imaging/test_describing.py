"""What a picture file says about itself, beside its settings."""

from __future__ import annotations

import io
import json

import numpy
import piexif
import pytest
from PIL import Image, PngImagePlugin

from modules.core.errors import UserError
from modules.imaging.describing import LONGEST_SHOWN, described
from modules.imaging.save import FORMATS, encode

PIXELS = numpy.full((4, 6, 3), 128, numpy.uint8)
TEXT = "a cat\nSteps: 20, Sampler: Euler, Seed: 1, Size: 6x4"


def saved(format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_our_own_pictures_say_their_settings_and_nothing_else(format: str) -> None:
    found = described(encode(PIXELS, format, TEXT)[0])
    assert (found.text, found.translated, dict(found.others)) == (TEXT, False, {})
    assert (found.width, found.height) == (6, 4)
    assert found.format == {"jpg": "JPEG"}.get(format, format.upper())


def test_texts_of_other_programs_are_translated_and_shown_as_they_are() -> None:
    info = PngImagePlugin.PngInfo()
    graph = json.dumps({"1": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 9}}})
    info.add_text("prompt", graph)
    info.add_text("Author", "me")
    found = described(saved("png", pnginfo=info))
    assert found.translated
    assert found.others == {"prompt": graph, "Author": "me"}


def test_exif_entries_are_named_and_long_texts_cut() -> None:
    data = piexif.dump({"0th": {piexif.ImageIFD.Artist: b"me"}, "Exif": {piexif.ExifIFD.LensMake: b"glass"}})
    found = described(saved("jpeg", exif=data, comment=b"x" * 60_000))
    assert found.others["Artist"] == "me" and found.others["LensMake"] == "glass"
    assert len(found.others["comment"]) == 60_000
    info = PngImagePlugin.PngInfo()
    info.add_text("long", "x" * (LONGEST_SHOWN + 1))
    found = described(saved("png", pnginfo=info))
    assert (len(found.others["long"]), found.cut) == (LONGEST_SHOWN, ("long",))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_says_nothing_and_hides_nothing() -> None:
    found = described(saved("jpeg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09", comment=b"kept"))
    assert found.others["comment"] == "kept"


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(UserError):
        described(b"<html>")
