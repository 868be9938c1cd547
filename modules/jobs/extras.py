"""From loose values to the complete request of the Extras tab: pictures found, names checked, size refused early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import UserError
from ..core.request import GenerationRequest
from ..imaging.extras import check_steps, sizes_of
from ..imaging.files import listed
from .inputs import InputPictures
from .models import Models

UPSCALERS = ("upscaler_1", "upscaler_2", "restorer")


def extras_request(values: Mapping[str, Any], models: Models, inputs: InputPictures) -> GenerationRequest:
    """The request that is queued. No checkpoint is needed, and no seed.

    Raises UserError when there is no picture, nothing to be done, no such upscaler, or the result would be too large.
    """
    request = GenerationRequest.checked({**values, "extras": True})
    check_steps(request)
    changed: dict[str, Any] = {name: models.upscaler(getattr(request, name)) for name in UPSCALERS}
    if request.files:
        files = listed(request.files, [name for name in request.files if inputs.has(name)])
        changed |= {"batch_files": "\n".join(files), "init_image": ""}
        if len(files) == 1 and inputs.has(files[0]):
            changed |= {"batch_files": "", "init_image": files[0]}
    elif not request.init_image:
        raise UserError("There is no picture to enlarge.", hint="Choose, drop or paste one, or send one here.")
    complete = GenerationRequest.checked({**request.model_dump(exclude_unset=True), **changed})
    if complete.init_image:
        picture = inputs.get(complete.init_image)
        sizes_of(complete, picture.width, picture.height)
    return complete
