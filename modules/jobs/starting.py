"""What a request that starts from a picture needs before it is queued: its pictures are there, its size is known."""

from __future__ import annotations

from ..core.errors import UserError
from ..core.params import TXT2IMG
from ..core.request import GenerationRequest
from ..core.sections.inspect import INSPECT
from ..core.sections.repeat import TEXT_PARTS
from ..imaging.files import listed
from ..imaging.scene import size_of_result
from .inputs import InputPictures


def started(request: GenerationRequest, inputs: InputPictures, tab: str = TXT2IMG) -> GenerationRequest:
    """The request with the size that its picture gives it. Raises UserError when a picture is missing or does not fit.

    `tab`: txt2img needs no picture, nor does what is only looked into; the others do.
    """
    if request.files:
        return _with_files(request, inputs)
    if not request.init_image:
        if request.has_mask or request.vae_round_trip or tab not in (TXT2IMG, INSPECT):
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
    return GenerationRequest.checked({**request.model_dump(exclude_unset=True), **size_of_result(request, *size)})


def _with_files(request: GenerationRequest, inputs: InputPictures) -> GenerationRequest:
    """The request with its folders opened: every picture in them named. Raises UserError when there is none."""
    wanted = [part.strip() for part in request.batch_png_info.split(",") if part.strip()]
    known = {part.casefold() for part in TEXT_PARTS}
    unknown = [part for part in wanted if part.casefold() not in known]
    if unknown:
        raise UserError(
            f"{unknown[0][:60]!r} cannot be taken from a file's text.", hint=f"There are: {', '.join(TEXT_PARTS)}."
        )
    files = listed(request.files, [name for name in request.files if inputs.has(name)])
    changed = {"batch_files": "\n".join(files), "init_image": "", "batch_masks": "\n".join(listed(request.mask_files))}
    return GenerationRequest.checked({**request.model_dump(exclude_unset=True), **changed})
