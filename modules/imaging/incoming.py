"""Pictures that people bring, in whatever form, made plain: upright, 8 bits, RGB or RGBA, sRGB, the first frame."""

from __future__ import annotations

import io
import logging
from typing import Final

import numpy
from PIL import Image, ImageCms

from ..core.errors import UserError
from .opening import opened, upright

log = logging.getLogger("easel.imaging")

MOST_PIXELS: Final = 89_000_000  # from here on Pillow itself warns of decompression bombs
_SIXTEEN_BITS: Final = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_PROGRAMS: Final = ("EPS", "WMF")  # Pillow hands these to other programs
_DRAWINGS: Final = {b"<svg": "an SVG drawing", b"<!doctype html": "a web page", b"<html": "a web page"}


def plain_pixels(content: bytes) -> numpy.ndarray:
    """The pixels of a picture file, uint8 (height, width, 3), or 4 where it has real transparency.

    EXIF rotation and colour profiles are applied; 16-bit, palette, CMYK and grey pictures converted; of an animation
    the first frame is taken. Raises UserError for what is no picture, broken or too large; the size is looked at
    before a pixel is decoded.
    """
    _refuse_what_is_no_picture(content)
    with opened(content) as image:
        pixels = image.width * image.height
        if pixels > MOST_PIXELS:
            raise UserError(
                f"The picture has {image.width} x {image.height} pixels; at most {MOST_PIXELS // 10**6} million can be "
                "used.",
                hint="Scale it down first.",
            )
        if image.format in _PROGRAMS:
            raise UserError(f"{image.format} files are not read.", hint="Save the picture as PNG, JPEG or WebP.")
        image.load()
        return numpy.array(_in_srgb(_eight_bits(upright(image))))


def _refuse_what_is_no_picture(content: bytes) -> None:
    """Raises UserError for what can be told from the first bytes, in words that name it."""
    if not content:
        raise UserError("The file is empty (0 bytes).", hint="Choose a PNG, JPEG or WebP file.")
    head = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for mark, what in _DRAWINGS.items():
        if head.startswith(mark) or (head.startswith((b"<?xml", b"<!doctype svg")) and mark in content[:4096].lower()):
            raise UserError(
                f"The file is {what}, not a picture made of pixels.", hint="Choose a PNG, JPEG or WebP file."
            )


def _eight_bits(image: Image.Image) -> Image.Image:
    """The same in RGB, RGBA, L or CMYK, 8 bits a channel."""
    if image.mode in _SIXTEEN_BITS or image.mode == "F":
        return Image.fromarray(_scaled(numpy.asarray(image)))
    if image.mode == "CMYK":
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _scaled(levels: numpy.ndarray) -> numpy.ndarray:
    """Grey levels of any depth as uint8: 16-bit ones lose their lower half, fractions of 1 are stretched to 255."""
    fractions = levels.dtype.kind == "f"
    levels = numpy.nan_to_num(levels.astype(numpy.float64), posinf=0.0, neginf=0.0)
    highest = levels.max(initial=0.0)
    if fractions and highest <= 1:
        levels = levels * 255
    elif not fractions or highest > 255:
        levels = levels / 257
    return numpy.clip(numpy.rint(levels), 0, 255).astype(numpy.uint8)


def _in_srgb(image: Image.Image) -> Image.Image:
    """The colours that the picture's profile means, in RGB or RGBA. A profile that cannot be read is left aside."""
    profile = image.info.get("icc_profile")
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if alpha is not None else image
    if profile:
        colours = _translated(colours, profile)
    colours = colours.convert("RGB")
    if alpha is not None and alpha.getextrema() != (255, 255):
        colours.putalpha(alpha)
    return colours


def _translated(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).casefold():
            return image
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        log.info("The colour profile of a picture cannot be used: %s", error)
        return image
