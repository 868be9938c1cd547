"""Which part of a picture is painted anew, and what it is joined to."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import INPAINT, param

MASK_MODES = ("Inpaint masked", "Inpaint not masked")
MASKED_CONTENTS = ("fill", "original", "latent noise", "latent nothing")
FILL, ORIGINAL, LATENT_NOISE, LATENT_NOTHING = MASKED_CONTENTS
INPAINT_AREAS = ("Whole picture", "Only masked")
WHOLE_PICTURE, ONLY_MASKED = INPAINT_AREAS


class Masking(BaseModel):
    """The mask, what is under it at the start, and how the result is joined to the rest."""

    mask: str = param(
        "",
        picture=True,
        max_length=64,
        label="Mask",
        infotext="",
        group="mask",
        tabs=(INPAINT,),
        help="The id of a kept picture as large as the one to start from: white is painted anew, black stays.",
    )
    mask_blur: int = param(
        4,
        ge=0,
        le=512,
        slider=(0, 64, 1),
        label="Mask blur",
        needs="has_mask",
        group="mask",
        tabs=(INPAINT,),
        help="How softly the mask ends, in pixels.",
    )
    mask_blur_y: int = param(
        -1,
        ge=-1,
        le=512,
        slider=(-1, 64, 1),
        label="Mask blur, vertical",
        infotext="Mask blur Y",
        written="changed",
        needs="has_mask",
        group="mask",
        tabs=(INPAINT,),
        help="Where it is to be another one up and down than to the sides. -1: the same.",
    )
    mask_mode: str = param(
        MASK_MODES[0],
        choices=MASK_MODES,
        alias="inpainting_mask_invert",
        label="Mask mode",
        written="changed",
        needs="has_mask",
        group="mask",
        tabs=(INPAINT,),
        help="Whether what is masked is painted anew, or everything else.",
    )
    masked_content: str = param(
        ORIGINAL,
        choices=MASKED_CONTENTS,
        alias="inpainting_fill",
        label="Masked content",
        written="changed",
        needs="has_mask",
        group="mask",
        tabs=(INPAINT,),
        help="What is under the mask at the start: the picture, the colours around, noise, or nothing. The last two "
        "need a high denoising strength.",
    )
    inpaint_area: str = param(
        WHOLE_PICTURE,
        choices=INPAINT_AREAS,
        alias="inpaint_full_res",
        label="Inpaint area",
        written="changed",
        needs="has_mask",
        group="mask",
        tabs=(INPAINT,),
        help="Only masked: the mask and what is around it are painted at full size and put back into the picture.",
    )
    inpaint_full_res_padding: int = param(
        32,
        ge=0,
        le=4096,
        slider=(0, 256, 4),
        label="Masked area padding",
        written="changed",
        needs="inpaints_only_masked",
        group="mask",
        tabs=(INPAINT,),
        help="How much around the mask is seen while only it is painted, in pixels of the picture.",
    )
    soft_inpainting: bool = param(
        False,
        label="Soft inpainting",
        infotext="Soft inpainting enabled",
        written="changed",
        needs="has_mask",
        group="mask",
        tabs=(INPAINT,),
        help="The grey of the mask says how much may change, so that a blurred mask blends into the picture.",
    )
    inpaint_resampling: int = param(
        1,
        ge=1,
        le=20,
        slider=(1, 10, 1),
        label="Resampling",
        infotext="Inpaint resampling",
        written="changed",
        needs="has_mask",
        group="mask",
        tabs=(INPAINT,),
        help="How often each step is done, with new noise between: the new part fits the rest better. Takes as many "
        "times longer.",
    )
    overlay_inpaint: bool = param(
        True,
        label="Keep the original outside of the mask",
        infotext="Overlay original",
        written="changed",
        needs="has_mask",
        group="mask",
        tabs=(INPAINT,),
        help="Puts the original's own pixels back wherever the blurred mask is black.",
    )
    inpainting_mask_weight: float = param(
        1.0,
        ge=0,
        le=1,
        slider=(0, 1, 0.01),
        label="Inpainting conditioning mask strength",
        infotext="Conditional mask weight",
        written="noted",
        group="mask",
        tabs=(INPAINT,),
        help="How strongly the mask hides the picture from a model made for inpainting (9 inputs). At 0 it "
        "sees all of it.",
    )
