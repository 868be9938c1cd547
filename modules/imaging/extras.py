"""How large a picture becomes in Extras."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import UserError
from ..core.request import GenerationRequest
from ..core.sections.extras import NO_UPSCALER
from .resize import covering
from .upscale import check_size


@dataclass(frozen=True)
class Sizes:
    """`scaled`: width and height that the whole picture is brought to; `result`: what stays of its middle."""

    scaled: tuple[int, int]
    result: tuple[int, int]

    @property
    def crop(self) -> tuple[slice, slice]:
        """Rows and columns that stay."""
        left, top = (self.scaled[0] - self.result[0]) // 2, (self.scaled[1] - self.result[1]) // 2
        return slice(top, top + self.result[1]), slice(left, left + self.result[0])


def check_steps(request: GenerationRequest) -> None:
    """Raises UserError when nothing is to be done."""
    if not request.enlarges and request.restorer == NO_UPSCALER:
        raise UserError("Nothing is chosen that could be done.", hint="Choose an upscaler or a restoration model.")


def sizes_of(request: GenerationRequest, width: int, height: int) -> Sizes:
    """What becomes of a picture of that size. Raises UserError when the request names no size, or one too large."""
    scaled = _scaled(request, width, height) if request.enlarges else (width, height)
    check_size(*scaled)
    wanted = request.upscaling_resize_w, request.upscaling_resize_h
    if request.enlarges and request.scales_to and request.upscaling_crop and all(wanted):
        return Sizes(scaled, wanted)
    return Sizes(scaled, scaled)


def _scaled(request: GenerationRequest, width: int, height: int) -> tuple[int, int]:
    wide, high = request.upscaling_resize_w, request.upscaling_resize_h
    if not request.scales_to:
        return max(1, int(width * request.upscaling_resize)), max(1, int(height * request.upscaling_resize))
    if wide and high:
        return covering((width, height), wide, high)
    if wide:
        return wide, max(1, height * wide // width)
    if high:
        return max(1, width * high // height), high
    raise UserError("Width and height are both 0.", hint="Say at least one of them, or scale by a factor.")
