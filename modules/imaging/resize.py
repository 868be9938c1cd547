"""Pictures brought to another size, in A1111's ways."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from ..core.sections.image import CROP_AND_RESIZE, RESIZE_AND_FILL

Scaler = Callable[[Image.Image, int, int], Image.Image]
"""`scaler(image, width, height)`: the whole picture at exactly that size."""


def lanczos(image: Image.Image, width: int, height: int) -> Image.Image:
    """The usual scaler. A picture that has that size already is given back as it is."""
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.LANCZOS)


def resized(image: Image.Image, mode: str, width: int, height: int, scaler: Scaler = lanczos) -> Image.Image:
    """The picture at `width` x `height`, by a resize mode's name; a latent upscale resizes later and is stretched."""
    if mode == CROP_AND_RESIZE:
        return _cropped(image, width, height, scaler)
    if mode == RESIZE_AND_FILL:
        return _filled(image, width, height, scaler)
    return scaler(image, width, height)


def multiple_of(step: int, size: float, least: int = 64) -> int:
    """`size` rounded down to a multiple of `step`, and at least `least`: A1111's rule for scaled sizes."""
    return max(least, int(size) // step * step)


def covering(size: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """The smallest size in the shape of `size` that covers width x height."""
    if width * size[1] > height * size[0]:
        return width, size[1] * width // size[0]
    return size[0] * height // size[1], height


def contained(size: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """The largest size in the shape of `size` that fits into width x height; at least one pixel each way."""
    if width * size[1] > height * size[0]:
        return max(1, size[0] * height // size[1]), height
    return width, max(1, size[1] * width // size[0])


def _cropped(image: Image.Image, width: int, height: int, scaler: Scaler) -> Image.Image:
    """As large as needed to cover the size, the middle of it."""
    covered = scaler(image, *covering(image.size, width, height))
    result = Image.new(image.mode, (width, height))
    result.paste(covered, (width // 2 - covered.width // 2, height // 2 - covered.height // 2))
    return result


def _filled(image: Image.Image, width: int, height: int, scaler: Scaler) -> Image.Image:
    """As large as fits into the size, in its middle; what is left is the outermost row or column, drawn out."""
    inner = scaler(image, *contained(image.size, width, height))
    left, top = width // 2 - inner.width // 2, height // 2 - inner.height // 2
    right, bottom = left + inner.width, top + inner.height
    result = Image.new(image.mode, (width, height))
    result.paste(inner, (left, top))
    for line, box in (
        ((0, 0, inner.width, 1), (left, 0, right, top)),
        ((0, inner.height - 1, inner.width, inner.height), (left, bottom, right, height)),
        ((0, 0, 1, inner.height), (0, top, left, bottom)),
        ((inner.width - 1, 0, inner.width, inner.height), (right, top, width, bottom)),
    ):
        if box[2] > box[0] and box[3] > box[1]:
            result.paste(inner.crop(line).resize((box[2] - box[0], box[3] - box[1])), box)
    return result
