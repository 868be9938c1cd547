"""Another checkpoint for the last steps."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import param

NO_REFINER = "None"
PASSES = ("first pass", "second pass", "both passes")


class Refining(BaseModel):
    """Which checkpoint paints the last steps, and from when on."""

    refiner_checkpoint: str = param(
        NO_REFINER,
        choices="refiners",
        label="Refiner",
        written="changed",
        group="refiner",
        help="A checkpoint that takes over for the last steps.",
    )
    refiner_switch_at: float = param(
        0.8,
        ge=0,
        le=1,
        slider=(0.01, 1, 0.01),
        label="Refiner switch at",
        needs="refines",
        group="refiner",
        help="How much of the noise schedule the first checkpoint paints, 0 to 1.",
    )
    refiner_switch_by_sample_steps: bool = param(
        False,
        label="Refiner switch by sampling steps",
        written="changed",
        needs="refines",
        group="refiner",
        help="Count the steps that are done instead of the noise that is gone, as A1111 did before version 1.8.",
    )
    hires_fix_refiner_pass: str = param(
        "second pass",
        choices=PASSES,
        label="Hires refiner",
        written="changed",
        needs="refines",
        group="refiner",
        help="Which pass of hires fix the refiner is used in.",
    )

    @property
    def refines(self) -> bool:
        """Whether a refiner takes over."""
        return self.refiner_checkpoint not in ("", NO_REFINER)
