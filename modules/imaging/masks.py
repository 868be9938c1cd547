"""Masks: grey levels, white (255) where a picture is painted anew. A1111's rules for blur, crop and fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
from PIL import Image, ImageFilter

from ..core.errors import UserError


@dataclass(frozen=True)
class Rectangle:
    """A part of a picture, in pixels; `right` and `bottom` lie just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def box(self) -> tuple[int, int, int, int]:
        """As Pillow has it."""
        return self.left, self.top, self.right, self.bottom


def mask_levels(pixels: numpy.ndarray, width: int, height: int) -> numpy.ndarray:
    """The grey levels, uint8 (height, width), of a mask's pixels (h, w, 3 or 4).

    A mask with transparency is white where it is more than half opaque; any other is as bright as it is. Raises
    UserError when it has another size than the picture, width x height.
    """
    if pixels.shape[:2] != (height, width):
        raise UserError(
            f"The mask has {pixels.shape[1]} x {pixels.shape[0]} pixels, but the picture {width} x {height}.",
            hint="Use a mask of the picture's own size.",
        )
    if pixels.shape[2] == 4:
        return numpy.where(pixels[..., 3] > 128, 255, 0).astype(numpy.uint8)
    return numpy.asarray(Image.fromarray(pixels).convert("L"))


def blurred(mask: numpy.ndarray, across: float, down: float) -> numpy.ndarray:
    """A mask, uint8 (h, w), blurred by a Gaussian of so many pixels across and down, cut off at 2.5 sigma; edges are
    mirrored.

    Only the surroundings of what is not black are computed: where the rest is black, it stays black.
    """
    kernels = _gaussian(down), _gaussian(across)
    reach = max(len(weights) for weights in kernels) // 2
    rectangle = bounds(mask)
    if reach < 1 or rectangle is None:
        return mask
    height, width = mask.shape
    area = _grown(rectangle, 2 * reach, width, height)
    part = mask[area.top : area.bottom, area.left : area.right].astype(numpy.float32)
    for axis, weights in enumerate(kernels):
        part = _convolved(part, weights, axis)
    result = mask.copy()
    result[area.top : area.bottom, area.left : area.right] = numpy.rint(part).clip(0, 255).astype(numpy.uint8)
    return result


def bounds(mask: numpy.ndarray) -> Rectangle | None:
    """The smallest rectangle that holds all that is not black; None when all is black."""
    rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
    if not len(rows):
        return None
    return Rectangle(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def crop_rectangle(mask: numpy.ndarray, padding: int, width: int, height: int) -> Rectangle | None:
    """What is painted when only the masked part is: its bounds with `padding` around, grown into the shape of
    width x height as far as the picture goes. None when the mask is black.
    """
    found = bounds(mask)
    if found is None:
        return None
    padded = _grown(found, padding, mask.shape[1], mask.shape[0])
    wanted, shape = width / height, padded.width / padded.height
    if shape > wanted:
        top, bottom = _stretched(padded.top, padded.bottom, int(padded.width / wanted), mask.shape[0])
        return Rectangle(padded.left, top, padded.right, bottom)
    left, right = _stretched(padded.left, padded.right, int(padded.height * wanted), mask.shape[1])
    return Rectangle(left, padded.top, right, padded.bottom)


RADII = (*(256, 64), *(16,) * 2, *(4,) * 4, *(2,) * 2, 0)


def filled(image: Image.Image, mask: numpy.ndarray) -> Image.Image:
    """The RGB picture with what is masked painted over by the colours around it, ever finer toward its edge."""
    known = image.convert("RGBA")
    known.putalpha(Image.fromarray(255 - mask))
    known = known.convert("RGBa")  # colours weighed by their share, so that masked ones do not bleed into the blur
    result = Image.new("RGBA", image.size)
    for radius in RADII:
        result.alpha_composite(known.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA"))
    return result.convert("RGB")


def _grown(rectangle: Rectangle, by: int, width: int, height: int) -> Rectangle:
    """Larger on all sides, but not beyond the picture."""
    return Rectangle(
        max(rectangle.left - by, 0),
        max(rectangle.top - by, 0),
        min(rectangle.right + by, width),
        min(rectangle.bottom + by, height),
    )


def _stretched(low: int, high: int, length: int, limit: int) -> tuple[int, int]:
    """The stretch from `low` to `high` made `length` long on both sides, moved inside 0 .. limit, and cut there."""
    missing = max(0, length - (high - low))
    low, high = low - missing // 2, high + missing - missing // 2
    over = max(0, high - limit)
    low, high = low - over, high - over
    under = max(0, -low)
    return low + under, min(high + under, limit)


def _gaussian(sigma: float) -> numpy.ndarray:
    """The weights of a Gaussian as far as 2.5 sigma on both sides; a single one where that is less than a pixel."""
    reach = int(2.5 * sigma + 0.5)
    places = numpy.arange(-reach, reach + 1, dtype=numpy.float64)
    weights = numpy.exp(-(places**2) / (2 * sigma**2)) if reach else numpy.ones(1)
    return (weights / weights.sum()).astype(numpy.float32)


def _convolved(levels: numpy.ndarray, weights: numpy.ndarray, axis: int) -> numpy.ndarray:
    """Along one axis, mirrored at both ends without repeating the outermost pixel."""
    length, reach = levels.shape[axis], len(weights) // 2
    places = numpy.arange(-reach, length + reach) % max(2 * length - 2, 1)
    padded = levels.take(numpy.minimum(places, (2 * length - 2) - places) if length > 1 else places * 0, axis)
    total = numpy.zeros_like(levels)
    for offset, weight in enumerate(weights):
        part = slice(offset, offset + length)
        total += weight * (padded[part] if axis == 0 else padded[:, part])
    return total
