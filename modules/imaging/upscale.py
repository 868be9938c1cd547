"""The upscalers that need no model, registered when this module is imported, and how large a result may be."""

from __future__ import annotations

import numpy
from PIL import Image

from ..core.errors import UserError
from ..core.registry import upscaler
from ..core.sections.extras import NO_UPSCALER
from . import resize

MOST_PIXELS = 16_384 * 16_384


@upscaler("Lanczos", aliases=(NO_UPSCALER,))
def lanczos(picture: numpy.ndarray, width: int, height: int) -> numpy.ndarray:
    """Smooth: each pixel from its surroundings, weighted by a windowed sinc."""
    return numpy.asarray(resize.lanczos(Image.fromarray(picture), width, height))


@upscaler("Nearest")
def nearest(picture: numpy.ndarray, width: int, height: int) -> numpy.ndarray:
    """Every pixel a rectangle: for pixel art."""
    return numpy.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST))


def check_size(width: int, height: int) -> None:
    """Raises UserError when a picture of that size cannot be made."""
    if width < 1 or height < 1 or width * height > MOST_PIXELS:
        raise UserError(
            f"The result would have {width} x {height} pixels; at most {MOST_PIXELS // 10**6} million can be made.",
            hint="Choose another scale.",
        )
