"""Opening picture files that anybody may have made: what cannot be read is refused by name, never a crash."""

from __future__ import annotations

import io
import logging
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from ..core.errors import UserError

log = logging.getLogger("easel.imaging")

_COUNT = re.compile(r"\d+")  # of pixels, in Pillow's sentence about decompression bombs
_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)  # EXIF's tag, and its values for a quarter turn
# What Pillow raises for broken files: by design the first three, the others where a decoder trusts what it reads.
_BROKEN = (
    *(OSError, SyntaxError, EOFError),
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, struct.error),
)


@contextmanager
def opened(source: Path | bytes) -> Iterator[Image.Image]:
    """The picture, its pixels not decoded yet. Raises UserError, also for what goes wrong while decoding inside.

    Refused are files that are no picture, broken ones, and those of more than twice Pillow's limit of 89 million pixels
    (decompression bombs).
    """
    name = source.name if isinstance(source, Path) else "The file"
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            yield image
    except UnidentifiedImageError as error:
        raise UserError(
            f"{name} is not a picture of a known format.", hint="Choose a PNG, JPEG or WebP file."
        ) from error
    except Image.DecompressionBombError as error:
        told = _COUNT.search(str(error))
        pixels = f" It has {int(told.group()) // 10**6:,} million pixels." if told else ""
        raise UserError(f"{name} is too large to open safely.{pixels}", hint="Scale it down first.") from error
    except FileNotFoundError as error:
        raise UserError(f"{name} does not exist.", hint="It may have been moved or deleted.") from error
    except _BROKEN as error:
        raise UserError(f"{name} cannot be read: {error}.", hint="The file may be incomplete or damaged.") from error


def upright(image: Image.Image) -> Image.Image:
    """The picture as its EXIF data says that it should be seen. Broken EXIF data says nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception as error:  # Pillow's EXIF reader raises whatever a broken table leads it to
        log.info("The EXIF data of a picture cannot be read: %s", error)
        return image


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of the picture as it should be seen. Pixels are not decoded."""
    try:
        lying = "exif" in image.info and image.getexif().get(_ORIENTATION) in _LYING  # else Pillow decodes PNGs to look
    except Exception as error:  # as above
        log.info("The EXIF data of a picture cannot be read: %s", error)
        lying = False
    return image.size[::-1] if lying else image.size
