"""How the prompt steers, beyond the CFG scale."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import param

METHODS = ("CFG", "APG", "CFG-Zero*")
CFG, APG, CFG_ZERO = METHODS


class Guiding(BaseModel):
    """What is made of the two predictions, and when the negative prompt's is left out."""

    guidance_method: str = param(
        CFG,
        choices=METHODS,
        label="Guidance method",
        written="changed",
        group="guidance",
        help="APG keeps high scales from burning colours; CFG-Zero* fits the negative prediction to the positive one.",
    )
    cfg_rescale: float = param(
        0.0,
        ge=0,
        le=1,
        slider=(0, 1, 0.01),
        label="CFG Rescale",
        written="changed",
        group="guidance",
        help="Gives the guided prediction the contrast of the plain one. 0.7 is usual for models that predict v.",
    )
    pag_scale: float = param(
        0.0,
        ge=0,
        le=100,
        slider=(0, 10, 0.1),
        label="PAG scale",
        written="changed",
        group="guidance",
        help="Steers away from what the network sees when it cannot relate the parts of the picture. Costs half more.",
    )
    s_min_uncond: float = param(
        0.0,
        ge=0,
        le=1000,
        slider=(0, 15, 0.01),
        label="NGMS",
        written="noted",
        group="guidance",
        help="Below this noise level the negative prompt is left out at every other step: faster.",
    )
    s_min_uncond_all: bool = param(
        False,
        label="NGMS all steps",
        written="noted",
        group="guidance",
        help="Below that level it is left out at every step.",
    )
    skip_early_cond: float = param(
        0.0,
        ge=0,
        le=1,
        slider=(0, 1, 0.01),
        label="Skip Early CFG",
        written="noted",
        group="guidance",
        help="The share of the first steps that has no guidance: more varied pictures, faster.",
    )
