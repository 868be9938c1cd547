"""What stands before a painter who starts from a picture: the part that is seen, what of it is painted anew, and how
the result is joined to the rest. All of it in pixels; the engine turns it into latents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy
from PIL import Image, ImageColor

from ..core.request import GenerationRequest
from ..core.sections.image import CROP_AND_RESIZE, LATENT_UPSCALE, RESIZE_AND_FILL
from ..core.sections.mask import MASK_MODES, ORIGINAL
from .colours import corrected
from .masks import Rectangle, blurred, crop_rectangle, filled, mask_levels
from .outpaint import Sides, extended, extended_mask, sides_in_steps
from .resize import Scaler, lanczos, multiple_of, resized

SIDES = ("outpaint_left", "outpaint_up", "outpaint_right", "outpaint_down")
WHOLE_GAIN, SOFT_GAIN = 2, 4  # how much sooner than the mask the result is seen in full


@dataclass(frozen=True)
class Scene:
    """`image`: RGB, what the network starts from. `mask`: uint8 of its size, 255 where it is painted; None: everywhere.

    `backdrop`: uint8 (H, W, 3), the picture that the result is laid over, at `place` (None: all of it), as much as
    `overlay` says: uint8 (H, W), 0 keeps the backdrop; None shows all of the result. `palette`: the picture whose
    colours the result gets.
    """

    image: Image.Image
    mask: numpy.ndarray | None
    backdrop: numpy.ndarray
    overlay: numpy.ndarray | None = None
    place: Rectangle | None = None
    palette: numpy.ndarray | None = None

    def joined(self, pixels: numpy.ndarray) -> numpy.ndarray:
        """The finished picture from what was painted, uint8 (h, w, 3). Where `overlay` is 0 it is the backdrop, to
        the bit.
        """
        if self.palette is not None:
            pixels = corrected(pixels, self.palette)
        if self.place is None:
            return pixels if self.overlay is None else _laid_over(self.backdrop, pixels, self.overlay)
        image = resized(Image.fromarray(pixels), CROP_AND_RESIZE, self.place.width, self.place.height)
        part = (slice(self.place.top, self.place.bottom), slice(self.place.left, self.place.right))
        result = self.backdrop.copy()
        shown = numpy.full(image.size[::-1], 255, numpy.uint8) if self.overlay is None else self.overlay[part]
        result[part] = _laid_over(result[part], numpy.asarray(image), shown)
        return result

    def continued(self, pixels: numpy.ndarray) -> Scene:
        """The same mask and place, with a finished picture, uint8 of the backdrop's size, to be painted on."""
        if self.mask is None:
            return replace(self, image=Image.fromarray(pixels), backdrop=pixels)
        picture = Image.fromarray(pixels)
        if self.place is not None:
            picture = resized(picture.crop(self.place.box), RESIZE_AND_FILL, *self.image.size)
        return replace(self, image=picture, backdrop=pixels)


def scene_of(
    pixels: numpy.ndarray, mask: numpy.ndarray | None, request: GenerationRequest, scaler: Scaler = lanczos
) -> Scene:
    """The scene of a request whose picture has `pixels`, uint8 (h, w, 3 or 4), and whose mask those of `mask`.

    A mask without any white is none: the whole picture is painted. Raises UserError when its size is another.
    """
    picture = flattened(pixels, request.img2img_background_color)
    levels = whole_mask(picture.shape[1], picture.shape[0], mask, request)
    if request.outpaints:
        picture = extended(picture, outpainted(request), request.outpaint_fill, request.seed)
    if levels is None:
        return _unmasked(Image.fromarray(picture), request, scaler)
    return _masked(Image.fromarray(picture), levels, request, scaler)


def flattened(pixels: numpy.ndarray, background: str) -> numpy.ndarray:
    """The picture without transparency: (h, w, 3), laid on a colour such as "#ffffff"."""
    if pixels.shape[2] == 3:
        return pixels
    colour = numpy.array(ImageColor.getrgb(background), numpy.float32)
    share = pixels[..., 3:].astype(numpy.float32) / 255
    return numpy.rint(pixels[..., :3] * share + colour * (1 - share)).astype(numpy.uint8)


def whole_mask(width: int, height: int, mask: numpy.ndarray | None, request: GenerationRequest) -> numpy.ndarray | None:
    """The mask of a picture of that size as it counts: inverted where asked, grown with the picture, blurred. None when
    nothing is white.
    """
    if not request.has_mask:
        return None
    levels = numpy.zeros((height, width), numpy.uint8) if mask is None else mask_levels(mask, width, height)
    if mask is not None and request.mask_mode != MASK_MODES[0]:
        levels = 255 - levels
    if request.outpaints:
        levels = extended_mask(levels, outpainted(request))
    down = request.mask_blur if request.mask_blur_y < 0 else request.mask_blur_y
    return blurred(levels, request.mask_blur, down) if levels.any() else None


def painted_part(
    width: int, height: int, mask: numpy.ndarray | None, request: GenerationRequest
) -> tuple[Rectangle, Rectangle]:
    """What is painted of a picture of that size, and the whole of it once it is extended, both with their origin where
    the extended picture has it.
    """
    left, up, right, down = outpainted(request)
    whole = Rectangle(0, 0, width + left + right, height + up + down)
    levels = whole_mask(width, height, mask, request)
    return (None if levels is None else _place(levels, request)) or whole, whole


def size_of_result(request: GenerationRequest, width: int, height: int) -> dict[str, Any]:
    """The request's fields that follow from the size of the picture it starts from: how far that grows exactly, and how
    large the result is.
    """
    found: dict[str, Any] = {}
    if request.outpaints:
        sides = sides_in_steps((width, height), outpainted(request))
        found = dict(zip(SIDES, sides, strict=True))
        width, height = width + sides[0] + sides[2], height + sides[1] + sides[3]
        if not request.inpaints_only_masked:
            return {**found, "width": width, "height": height}
    if request.resize_scale:
        found["width"], found["height"] = (multiple_of(8, one * request.resize_scale) for one in (width, height))
    return found


def outpainted(request: GenerationRequest) -> Sides:
    """How far the picture grows: left, up, right, down."""
    left, up, right, down = (getattr(request, side) for side in SIDES)
    return left, up, right, down


def _place(levels: numpy.ndarray, request: GenerationRequest) -> Rectangle | None:
    """The part of the extended picture that is painted; None: all of it. `levels` as `whole_mask` gives them."""
    if not request.inpaints_only_masked:
        return None
    return crop_rectangle(levels, request.inpaint_full_res_padding, request.width, request.height)


def _unmasked(picture: Image.Image, request: GenerationRequest, scaler: Scaler) -> Scene:
    if request.resize_mode == LATENT_UPSCALE:
        image = lanczos(picture, multiple_of(8, picture.width, 8), multiple_of(8, picture.height, 8))
    else:
        image = resized(picture, request.resize_mode, request.width, request.height, scaler)
    return Scene(image, None, numpy.asarray(image), palette=_palette(image, request))


def _masked(picture: Image.Image, levels: numpy.ndarray, request: GenerationRequest, scaler: Scaler) -> Scene:
    place = _place(levels, request)
    whole_mask = Image.fromarray(levels)
    if place is None:
        image = resized(picture, request.resize_mode, request.width, request.height, scaler)
        mask = resized(whole_mask, request.resize_mode, request.width, request.height)
        backdrop, shown, gain = image, numpy.asarray(mask), WHOLE_GAIN
    else:
        image = resized(picture.crop(place.box), RESIZE_AND_FILL, request.width, request.height, scaler)
        mask = resized(whole_mask.crop(place.box), RESIZE_AND_FILL, request.width, request.height)
        backdrop, shown, gain = picture, levels, 1
    if request.masked_content != ORIGINAL:
        image = filled(image, numpy.asarray(mask))
    gain = SOFT_GAIN if request.soft_inpainting else gain
    overlay = numpy.minimum(shown.astype(numpy.uint16) * gain, 255).astype(numpy.uint8)
    return Scene(
        image,
        numpy.asarray(mask),
        numpy.asarray(backdrop),
        overlay if request.overlay_inpaint else None,
        place,
        _palette(image, request),
    )


def _palette(image: Image.Image, request: GenerationRequest) -> numpy.ndarray | None:
    return numpy.asarray(image) if request.img2img_color_correction else None


def _laid_over(backdrop: numpy.ndarray, pixels: numpy.ndarray, overlay: numpy.ndarray) -> numpy.ndarray:
    share = overlay[..., None].astype(numpy.float32) / 255
    return numpy.rint(backdrop + (pixels.astype(numpy.float32) - backdrop) * share).astype(numpy.uint8)
