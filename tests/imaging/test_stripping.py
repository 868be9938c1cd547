"""Metadata goes, pixels stay: bit for bit where the format allows it."""

from __future__ import annotations

import io

import numpy
import piexif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from modules.core.errors import UserError
from modules.imaging.metadata import exif, read_parameters
from modules.imaging.save import FORMATS, encode
from modules.imaging.stripping import stripped

pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF")

PIXELS = numpy.arange(16 * 24 * 3, dtype=numpy.uint32).reshape(16, 24, 3).astype(numpy.uint8)
TEXT = "a secret castle\nSteps: 20, Sampler: Euler, Seed: 1, Size: 24x16"


def saved(format: str, picture: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (picture or Image.fromarray(PIXELS)).save(buffer, format, **options)
    return buffer.getvalue()


def decoded(content: bytes) -> numpy.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return numpy.array(image.convert("RGBA"))


@pytest.mark.parametrize("format", FORMATS)
def test_the_text_is_gone_and_every_pixel_stays(format: str) -> None:
    content = encode(PIXELS, format, TEXT)[0]
    bare, ending = stripped(content)
    assert read_parameters(bare) is None
    assert b"secret" not in bare and b"s\0e\0c" not in bare
    assert numpy.array_equal(decoded(bare), decoded(content))
    assert ending == {"jpg": ".jpg", "jpeg": ".jpg", "avif": ".png"}.get(format, f".{format}")


@pytest.mark.parametrize("format", ["png", "jpg", "webp", "gif"])
def test_a_file_that_says_nothing_stays_as_it_is(format: str) -> None:
    bare = stripped(encode(PIXELS, format, TEXT)[0])[0]
    assert stripped(bare)[0] == bare


def test_everything_that_a_png_can_say_goes() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("plain", "secret")
    info.add_text("packed", "secret", zip=True)
    info.add_itxt("long", "secret", "en", "secret")
    info.add(b"prVt", b"secret")
    content = saved("png", pnginfo=info, exif=exif("secret"), dpi=(72, 72))
    bare = stripped(content)[0]
    with Image.open(io.BytesIO(bare)) as image:
        assert set(image.info) == {"dpi"}
    assert b"secret" not in bare


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_picture_stays_upright(format: str, orientation: int) -> None:
    data = piexif.dump({"0th": {piexif.ImageIFD.Orientation: orientation, piexif.ImageIFD.Artist: b"secret"}})
    bare = stripped(saved(format, exif=data))[0]
    with Image.open(io.BytesIO(bare)) as image:
        assert image.getexif().get(0x0112, 1) == orientation
    assert b"secret" not in bare


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_colour_profiles_stay(format: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(io.BytesIO(stripped(saved(format, icc_profile=profile, exif=exif("x")))[0])) as image:
        assert image.info["icc_profile"] == profile


def test_jpegs_of_any_kind_keep_their_pixels_and_lose_what_was_appended() -> None:
    cmyk = Image.fromarray(PIXELS).convert("CMYK")
    for content in (saved("jpeg", progressive=True), saved("jpeg", cmyk), saved("jpeg", comment=b"secret")):
        bare = stripped(content + b"\xff\xd8 a hidden secret")[0]
        assert b"secret" not in bare
        assert numpy.array_equal(decoded(bare), decoded(content))


def test_animations_keep_their_frames() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    for format in ("gif", "webp", "png"):
        content = saved(format, frames[0], save_all=True, append_images=frames[1:], duration=50, loop=0)
        with Image.open(io.BytesIO(stripped(content)[0])) as image:
            assert image.n_frames == 3


@pytest.mark.parametrize(
    "content", [b"", b"junk", encode(PIXELS, "png", TEXT)[0][:200], encode(PIXELS, "jpg")[0][:100]]
)
def test_broken_files_are_refused_with_a_sentence(content: bytes) -> None:
    with pytest.raises(UserError):
        stripped(content)


@given(st.sampled_from(["png", "jpg", "webp", "gif"]), st.integers(0, 400), st.binary(min_size=1, max_size=6))
@settings(derandomize=True, deadline=None, max_examples=60, database=None)
def test_no_damage_breaks_more_than_the_picture(format: str, at: int, damage: bytes) -> None:
    content = encode(PIXELS, format, TEXT)[0]
    try:
        stripped(content[:at] + damage + content[at + len(damage) :])
    except UserError:
        return
