"""The picture to start from, and how much of it stays."""

from __future__ import annotations

import re

from pydantic import BaseModel, field_validator

from ..params import ALL, EXTRAS, IMG2IMG, INPAINT, param

PICTURE_TABS = (IMG2IMG, INPAINT)
RESIZE_MODES = ("Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)")
JUST_RESIZE, CROP_AND_RESIZE, RESIZE_AND_FILL, LATENT_UPSCALE = RESIZE_MODES


class StartingPicture(BaseModel):
    """The picture to start from, how it is brought to size, and how much it changes."""

    init_image: str = param(
        "",
        picture=True,
        max_length=64,
        alias="init_images",
        label="Picture to start from",
        infotext="",
        group="image",
        tabs=(*PICTURE_TABS, EXTRAS),
        help="The id of a picture kept by POST /api/inputs.",
    )
    denoising_strength: float = param(
        0.75,
        ge=0,
        le=1,
        slider=(0, 1, 0.01),
        label="Denoising strength",
        needs="starts_partly_noised",
        group="image",
        tabs=ALL,
        help="How much may change: near 0 nothing, at 1 everything. About 0.3 keeps the layout, 0.75 only its colours.",
    )
    resize_mode: str = param(
        JUST_RESIZE,
        choices=RESIZE_MODES,
        label="Resize mode",
        written="changed",
        needs="init_image",
        group="image",
        tabs=PICTURE_TABS,
        help="How a picture of another shape is brought to the new size: stretched, cropped, or its edges drawn out; "
        "or enlarged in the latents, which needs a denoising strength of 0.5 or more.",
    )
    resize_scale: float = param(
        0.0,
        ge=0,
        le=16,
        slider=(0, 4, 0.05),
        label="Resize by",
        infotext="",
        group="image",
        tabs=PICTURE_TABS,
        help="The new size as a multiple of the picture's own. 0 takes width and height.",
    )
    img2img_fix_steps: bool = param(
        False,
        label="Do exactly these steps",
        infotext="Exact steps",
        written="changed",
        needs="init_image",
        group="image",
        tabs=PICTURE_TABS,
        help="Otherwise a denoising strength of 0.5 does half of the steps.",
    )
    initial_noise_multiplier: float = param(
        1.0,
        ge=0,
        le=10,
        slider=(0, 1.5, 0.005),
        label="Noise multiplier",
        written="changed",
        needs="init_image",
        group="image",
        tabs=PICTURE_TABS,
        help="Strength of the noise that is laid over the picture. Below 1 the result is smoother.",
    )
    img2img_extra_noise: float = param(
        0.0,
        ge=0,
        le=10,
        slider=(0, 1, 0.01),
        label="Extra noise",
        written="changed",
        needs="starts_partly_noised",
        group="image",
        tabs=PICTURE_TABS,
        help="More noise than the first step expects: it becomes more detail.",
    )
    img2img_color_correction: bool = param(
        False,
        label="Color correction",
        written="changed",
        needs="init_image",
        group="image",
        tabs=PICTURE_TABS,
        help="Gives the result the colours of the picture it started from.",
    )
    img2img_background_color: str = param(
        "#ffffff",
        max_length=7,
        label="Background color",
        written="changed",
        needs="init_image",
        group="image",
        tabs=PICTURE_TABS,
        help="What is put behind the transparent parts of a picture.",
    )
    image_cfg_scale: float = param(
        1.5,
        ge=0,
        le=100,
        slider=(0, 3, 0.05),
        label="Image CFG scale",
        written="noted",
        group="image",
        tabs=PICTURE_TABS,
        help="How strongly the result follows the picture. Only for models that edit by instruction (8 inputs).",
    )

    @field_validator("img2img_background_color")
    @classmethod
    def _colour(cls, colour: str) -> str:
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
            raise ValueError(f"{colour!r} is not a colour such as #ffffff")
        return colour.lower()
