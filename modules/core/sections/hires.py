"""A second pass at a larger size: "hires fix"."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import TXT2IMG, param

SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULE = "Use same checkpoint", "Use same sampler", "Use same scheduler"
LATENT_UPSCALERS = (
    "Latent",
    "Latent (antialiased)",
    "Latent (bicubic)",
    "Latent (bicubic antialiased)",
    "Latent (nearest)",
    "Latent (nearest-exact)",
)
HIRES_TABS = (TXT2IMG,)


class Hires(BaseModel):
    """Whether the picture is made larger and painted over, how large, and what is different then."""

    enable_hr: bool = param(
        False,
        label="Hires. fix",
        infotext="",
        group="hires",
        tabs=HIRES_TABS,
        help="Paint the picture small first, then enlarge it and paint over it: large pictures without doubled motifs.",
    )
    firstpass_image: str = param(
        "",
        picture=True,
        max_length=64,
        label="Picture to enlarge",
        infotext="",
        group="hires",
        tabs=(),
        help="The id of a picture kept by POST /api/inputs: it takes the place of the first pass.",
    )
    hr_scale: float = param(
        2.0,
        ge=1,
        le=8,
        slider=(1, 4, 0.05),
        label="Hires upscale",
        needs="scales_hires",
        group="hires",
        tabs=HIRES_TABS,
        help="How many times wider and higher the second picture is.",
    )
    hr_resize_x: int = param(
        0,
        ge=0,
        le=16384,
        slider=(0, 2048, 8),
        label="Hires width",
        infotext="Hires resize",
        needs="resizes_hires",
        group="hires",
        tabs=HIRES_TABS,
        help="A width instead of the factor. 0: what the height gives; both 0: the factor.",
    )
    hr_resize_y: int = param(
        0,
        ge=0,
        le=16384,
        slider=(0, 2048, 8),
        label="Hires height",
        infotext="Hires resize",
        group="hires",
        tabs=HIRES_TABS,
        help="Likewise for the height. With both, what is too much is cropped.",
    )
    hr_second_pass_steps: int = param(
        0,
        ge=0,
        le=1000,
        slider=(0, 150, 1),
        label="Hires steps",
        written="changed",
        needs="enable_hr",
        group="hires",
        tabs=HIRES_TABS,
        help="Steps of the second pass. 0: as many as in the first.",
    )
    hr_upscaler: str = param(
        "Latent",
        choices="hires_upscalers",
        label="Hires upscaler",
        needs="enable_hr",
        group="hires",
        tabs=HIRES_TABS,
        help="What enlarges the first picture. The latent ones need a denoising strength above 0.5.",
    )
    hr_checkpoint_name: str = param(
        SAME_CHECKPOINT,
        choices="hires_checkpoints",
        label="Hires checkpoint",
        written="changed",
        needs="enable_hr",
        group="hires",
        tabs=HIRES_TABS,
        help="The checkpoint of the second pass.",
    )
    hr_sampler_name: str = param(
        SAME_SAMPLER,
        choices="hires_samplers",
        label="Hires sampler",
        written="changed",
        needs="enable_hr",
        group="hires",
        tabs=HIRES_TABS,
        help="The sampling method of the second pass.",
    )
    hr_scheduler: str = param(
        SAME_SCHEDULE,
        choices="hires_schedules",
        label="Hires schedule type",
        written="changed",
        needs="enable_hr",
        group="hires",
        tabs=HIRES_TABS,
        help="The schedule of the second pass.",
    )
    hr_prompt: str = param(
        "",
        max_length=1_000_000,
        lines=2,
        label="Hires prompt",
        written="changed",
        needs="enable_hr",
        group="hires",
        tabs=HIRES_TABS,
        help="Prompt of the second pass. Empty: that of the first.",
    )
    hr_negative_prompt: str = param(
        "",
        max_length=1_000_000,
        lines=2,
        label="Hires negative prompt",
        written="changed",
        needs="enable_hr",
        group="hires",
        tabs=HIRES_TABS,
        help="Negative prompt of the second pass. Empty: that of the first.",
    )
    hr_cfg: float = param(
        0.0,
        ge=0,
        le=1000,
        slider=(0, 30, 0.5),
        label="Hires CFG Scale",
        written="changed",
        needs="enable_hr",
        group="hires",
        tabs=HIRES_TABS,
        help="CFG scale of the second pass. 0: that of the first.",
    )
    hr_distilled_cfg: float = param(
        0.0,
        ge=0,
        le=100,
        slider=(0, 30, 0.1),
        label="Hires Distilled CFG Scale",
        written="noted",
        needs="enable_hr",
        group="hires",
        tabs=HIRES_TABS,
        help="Distilled CFG Scale of the second pass. 0: that of the first.",
    )

    @property
    def resizes_hires(self) -> bool:
        """Whether the second picture's size is said in pixels."""
        return self.enable_hr and bool(self.hr_resize_x or self.hr_resize_y)

    @property
    def scales_hires(self) -> bool:
        """Whether it is said as a factor."""
        return self.enable_hr and not self.resizes_hires
