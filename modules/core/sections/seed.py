"""Where the noise comes from."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import param

LARGEST_SEED = 2**53 - 1  # what a browser counts to; drawn ones stay below A1111's limit
NOISE_SOURCES = ("NV", "CPU", "GPU")


class Seeding(BaseModel):
    """Seed and noise source."""

    seed: int = param(
        -1,
        ge=-1,
        le=LARGEST_SEED,
        label="Seed",
        group="seed",
        help="The number the noise grows from: same seed and settings, same picture. -1 draws a new one.",
    )
    noise_source: str = param(
        "NV",
        choices=NOISE_SOURCES,
        label="Noise source",
        infotext="RNG",
        alias="randn_source",
        group="advanced",
        help="Who draws the noise. NV gives the numbers of an NVIDIA card on every machine.",
    )
