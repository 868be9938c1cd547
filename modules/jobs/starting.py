"""What a request that starts from a picture needs before it is queued: its pictures are there, its size is known."""

from __future__ import annotations

from typing import Any

from ..core.errors import UserError
from ..core.params import TXT2IMG
from ..core.request import GenerationRequest
from ..imaging.outpaint import sides_in_steps
from ..imaging.resize import multiple_of
from ..imaging.scene import outpainted
from .inputs import InputPictures

SIDES = ("outpaint_left", "outpaint_up", "outpaint_right", "outpaint_down")


def started(request: GenerationRequest, inputs: InputPictures, tab: str = TXT2IMG) -> GenerationRequest:
    """The request with the size that its picture gives it. Raises UserError when a picture is missing or does not fit.

    `tab`: txt2img needs no picture, the others do.
    """
    if not request.init_image:
        if request.has_mask or tab != TXT2IMG:
            raise UserError("There is no picture to start from.", hint="Choose, drop or paste one, or send one here.")
        return request
    picture = inputs.get(request.init_image)
    size = picture.width, picture.height
    if request.mask:
        mask = inputs.get(request.mask)
        if (mask.width, mask.height) != size:
            raise UserError(
                f"The mask has {mask.width} x {mask.height} pixels, but the picture {size[0]} x {size[1]}.",
                hint="Paint the mask anew, or use one of the picture's own size.",
            )
    return GenerationRequest.checked({**request.model_dump(exclude_unset=True), **_sizes(request, size)})


def _sizes(request: GenerationRequest, size: tuple[int, int]) -> dict[str, Any]:
    """The fields that follow from the picture's size: how far it grows exactly, and how large the result is."""
    found: dict[str, Any] = {}
    if request.outpaints:
        sides = sides_in_steps(size, outpainted(request))
        found = dict(zip(SIDES, sides, strict=True))
        size = size[0] + sides[0] + sides[2], size[1] + sides[1] + sides[3]
        if not request.inpaints_only_masked:
            return {**found, "width": size[0], "height": size[1]}
    if request.resize_scale:
        found["width"], found["height"] = (multiple_of(8, length * request.resize_scale) for length in size)
    return found
