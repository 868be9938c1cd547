"""Which networks paint."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import param

FULL, TAESD = "Full", "TAESD"


class Models(BaseModel):
    """Checkpoint, VAE and text encoder depth."""

    checkpoint: str = param(
        "",
        choices="checkpoints",
        label="Checkpoint",
        infotext="Model",
        group="model",
        help="The model file that paints. Put files into models/Stable-diffusion and press Refresh.",
    )
    vae: str = param(
        "Automatic",
        choices="vaes",
        label="VAE",
        infotext="VAE",
        written="changed",
        group="model",
        help="The part that turns latents into pixels. Automatic takes the file named like the checkpoint, "
        "else the one inside it.",
    )
    sd_vae_decode_method: str = param(
        FULL,
        choices=(FULL, TAESD),
        label="VAE decoder",
        infotext="VAE Decoder",
        written="changed",
        group="model",
        help="TAESD is a tiny decoder, rough but nearly free. Its file, taesd_decoder, taesdxl_decoder, taesd3_decoder "
        "or taef1_decoder (FLUX), belongs into models/VAE-approx.",
    )
    clip_skip: int = param(
        1,
        ge=1,
        le=12,
        slider=(1, 12, 1),
        written="changed",
        label="Clip skip",
        group="model",
        help="Stop the text encoder this many layers early. Many anime models were trained with 2.",
    )
