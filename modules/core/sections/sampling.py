"""How noise becomes a picture."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import param


class Sampling(BaseModel):
    """Sampler, schedule, steps and guidance."""

    steps: int = param(
        20,
        ge=1,
        le=1000,
        slider=(1, 150, 1),
        label="Steps",
        group="sampling",
        help="How many times the picture is refined. More steps take longer; past 30 most samplers change little.",
    )
    sampler: str = param(
        "DPM++ 2M",
        choices="samplers",
        alias="sampler_name",
        label="Sampler",
        group="sampling",
        help="The method that turns noise into a picture. Those with an 'a' or 'SDE' add new noise at every step.",
    )
    schedule: str = param(
        "Automatic",
        choices="schedules",
        alias="scheduler",
        label="Schedule type",
        group="sampling",
        help="How the noise level falls from step to step. Automatic takes the one that suits the sampler.",
    )
    cfg_scale: float = param(
        7.0,
        ge=0,
        le=1000,
        slider=(1, 30, 0.5),
        label="CFG scale",
        group="sampling",
        help="How strongly the picture follows the prompt. At 1 the negative prompt has no effect.",
    )
    distilled_cfg_scale: float = param(
        3.5,
        ge=0,
        le=100,
        slider=(1, 30, 0.1),
        label="Distilled CFG Scale",
        written="noted",
        group="sampling",
        help="The guidance scale that FLUX dev and its like are told, which costs nothing. They want a CFG scale of 1.",
    )
