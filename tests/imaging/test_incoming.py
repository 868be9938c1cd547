"""Any picture that Pillow reads comes out upright, 8-bit and right; anything else is refused with a sentence."""

from __future__ import annotations

import io
import struct
import zlib

import numpy
import pytest
from PIL import Image, ImageCms

from modules.core.errors import UserError
from modules.imaging.incoming import plain_pixels
from modules.imaging.png import png

RED, BLUE = (255, 0, 0), (0, 0, 255)


def file(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def half(left: object, right: object, mode: str = "RGB") -> Image.Image:
    """8 x 4 pixels, the left half of one colour."""
    image = Image.new(mode, (8, 4), right)
    image.paste(left, (0, 0, 4, 4))
    return image


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "TGA", "PPM"])
def test_formats_that_keep_every_pixel_come_out_as_they_went_in(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    pixels = plain_pixels(file(half(RED, BLUE), format, **options))
    assert (pixels.dtype, pixels.shape) == (numpy.uint8, (4, 8, 3))
    assert tuple(pixels[0, 0]) == RED
    assert tuple(pixels[0, 7]) == BLUE


@pytest.mark.parametrize("format", ["JPEG", "AVIF"])
def test_photographs_come_out_nearly_so(format: str) -> None:
    pixels = plain_pixels(file(Image.new("RGB", (64, 32), (200, 100, 50)), format)).astype(int)
    assert pixels.shape == (32, 64, 3)
    assert numpy.abs(pixels - (200, 100, 50)).max() < 8


def test_a_photograph_taken_sideways_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    pixels = plain_pixels(file(half(RED, BLUE), "PNG", exif=exif))
    assert pixels.shape == (8, 4, 3)
    assert tuple(pixels[0, 0]) == RED
    assert tuple(pixels[7, 0]) == BLUE


@pytest.mark.filterwarnings("ignore")
def test_broken_exif_data_costs_nothing() -> None:
    assert plain_pixels(file(half(RED, BLUE), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff broken")).shape == (4, 8, 3)


def test_sixteen_bits_of_grey_become_eight() -> None:
    levels = numpy.array([[0, 0x8080, 0xFFFF]], numpy.uint16)
    assert plain_pixels(file(Image.fromarray(levels)))[0, :, 0].tolist() == [0, 128, 255]


def test_sixteen_bits_of_colour_become_eight() -> None:
    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    row = b"\0" + struct.pack(">HHH", 0xFFFF, 0x8080, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(row)), (b"IEND", b""))
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    assert plain_pixels(content)[0, 0].tolist() == [255, 128, 0]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 128.0, 65535.0], [0, 0, 255]), ([float("nan"), 0.0, 1.0], [0, 0, 255])],
    ids=["fractions", "counts", "with holes"],
)
def test_floating_point_grey_is_scaled_to_what_it_holds(levels: list[float], expected: list[int]) -> None:
    content = file(Image.fromarray(numpy.array([levels], numpy.float32)), "TIFF")
    assert plain_pixels(content)[0, :, 0].tolist() == expected


def test_palettes_become_colours_and_their_clear_entry_becomes_alpha() -> None:
    palette = half(RED, BLUE).quantize(4)
    assert tuple(plain_pixels(file(palette))[0, 0]) == RED
    clear = palette.getpixel((0, 0))
    pixels = plain_pixels(file(palette, transparency=clear))
    assert pixels.shape == (4, 8, 4)
    assert pixels[0, 0, 3] == 0
    assert tuple(pixels[0, 7]) == (*BLUE, 255)


def test_cmyk_becomes_the_colours_that_it_prints() -> None:
    pixels = plain_pixels(file(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "TIFF"))
    assert pixels[8, 8].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGBA", "RGB", "P", "CMYK", "LAB"])
def test_every_mode_becomes_rgb_or_rgba(mode: str) -> None:
    pixels = plain_pixels(file(Image.new(mode, (5, 3)), "TIFF"))
    assert pixels.shape[:2] == (3, 5)
    assert pixels.shape[2] in (3, 4)
    assert pixels.dtype == numpy.uint8


def test_real_transparency_is_kept_and_an_opaque_alpha_dropped() -> None:
    assert plain_pixels(file(Image.new("RGBA", (4, 4), (9, 8, 7, 100))))[0, 0].tolist() == [9, 8, 7, 100]
    assert plain_pixels(file(Image.new("RGBA", (4, 4), (9, 8, 7, 255)))).shape == (4, 4, 3)
    assert plain_pixels(file(Image.new("LA", (4, 4), (9, 100))))[0, 0].tolist() == [9, 9, 9, 100]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(format: str) -> None:
    frames = [Image.new("RGB", (4, 4), RED), Image.new("RGB", (4, 4), BLUE)]
    content = file(frames[0], format, save_all=True, append_images=frames[1:], duration=50)
    red = plain_pixels(content)[0, 0, :3].astype(int)
    assert numpy.abs(red - RED).max() < 4


def test_colours_mean_what_their_profile_says() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    renamed = srgb.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    swapped = renamed.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    assert plain_pixels(file(half(RED, BLUE), icc_profile=srgb))[0, 0].tolist() == [*RED]
    green = plain_pixels(file(half(RED, BLUE), icc_profile=swapped))[0, 0].astype(int)
    assert numpy.abs(green - (0, 255, 0)).max() < 3
    assert plain_pixels(file(half(RED, BLUE), icc_profile=b"no profile at all"))[0, 0].tolist() == [*RED]


def test_a_single_pixel_is_a_picture() -> None:
    assert plain_pixels(file(Image.new("RGB", (1, 1), RED))).tolist() == [[[*RED]]]


def bomb(width: int, height: int) -> bytes:
    """A PNG of some hundred bytes that claims so many pixels."""
    small = png(numpy.zeros((1, 1, 3), numpy.uint8), {})
    head = struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0)
    return small[:12] + head + struct.pack(">I", zlib.crc32(head)) + small[33:]


REFUSED = [
    (b"", r"The file is empty \(0 bytes\)"),
    (b"hello", "not a picture of a known format"),
    (b"\x89PNG\r\n\x1a\n", "The file"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG drawing, not a picture made of pixels"),
    (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x --><svg/>", "is an SVG drawing"),
    (b"<!DOCTYPE html><html></html>", "is a web page, not a picture"),
    (b"  \n<HTML><body>", "is a web page"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n", "EPS files are not read"),
    (file(half(RED, BLUE), "JPEG")[:300], "The file"),
    (file(Image.effect_noise((64, 64), 90))[:900], "cannot be read"),
    (bomb(20_000, 20_000), "too large|20000 x 20000 pixels; at most 89 million"),
    (bomb(12_000, 12_000), "12000 x 12000 pixels; at most 89 million can be used"),
    (bomb(60_000, 60_000), "too large to open safely"),
    (bomb(0, 5), "The file"),
]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("content", "sentence"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_usable_picture_is_refused_with_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        plain_pixels(content)


@pytest.mark.filterwarnings("ignore")
def test_damage_anywhere_in_a_file_is_either_read_or_refused() -> None:
    """Never another exception: a third of these are refused, the rest still show something."""
    generator = numpy.random.default_rng(1)
    sources = [file(half(RED, BLUE).resize((32, 16)), one) for one in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")]
    outcomes = []
    for content in sources * 20:
        damaged = bytearray(content)
        for place in generator.integers(0, len(damaged), 4):
            damaged[place] = generator.integers(0, 256)
        try:
            outcomes.append(plain_pixels(bytes(damaged)).ndim)
        except UserError:
            outcomes.append(0)
    assert set(outcomes) == {0, 3}
