"""Small copies of pictures, for galleries."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from .opening import opened, upright

QUALITY: Final = 80


def thumbnail(source: Path | bytes, side: int = 320, format: str = "webp") -> bytes:
    """The picture no larger than `side` x `side` pixels, upright and in its own aspect, as the content of a "webp" or
    "jpeg" file.

    Raises UserError when the source is no picture, a broken one or too large to open safely.
    """
    with opened(source) as image:
        image.draft("RGB", (side, side))  # lets JPEG decode at a fraction of its size
        image.thumbnail((side, side), reducing_gap=2.0)
        small = upright(image)
        small = small.convert("RGB" if format == "jpeg" or not small.has_transparency_data else "RGBA")
    buffer = io.BytesIO()
    small.save(buffer, format, quality=QUALITY)
    return buffer.getvalue()
