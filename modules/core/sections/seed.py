"""Where the noise comes from."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import param

LARGEST_SEED = 2**53 - 1  # what a browser counts to; drawn ones stay below A1111's limit
NOISE_SOURCES = ("NV", "CPU", "GPU")


class Seeding(BaseModel):
    """Seed, variations of it, and noise source."""

    seed: int = param(
        -1,
        ge=-1,
        le=LARGEST_SEED,
        label="Seed",
        group="seed",
        help="The number the noise grows from: same seed and settings, same picture. -1 draws a new one.",
    )
    subseed: int = param(
        -1,
        ge=-1,
        le=LARGEST_SEED,
        label="Variation seed",
        needs="varies",
        group="variation",
        help="The seed that the picture leans to. -1 draws a new one.",
    )
    subseed_strength: float = param(
        0.0,
        ge=0,
        le=1,
        slider=(0, 1, 0.01),
        label="Variation seed strength",
        written="changed",
        group="variation",
        help="How far: 0 is the seed's own picture, 1 the variation seed's. A batch then varies the variation seed.",
    )
    seed_resize_from_w: int = param(
        0,
        ge=0,
        le=16384,
        slider=(0, 2048, 8),
        label="Resize seed from width",
        infotext="Seed resize from",
        needs="resizes_seed",
        group="variation",
        help="Keep to the picture that the seed gives at this width, at the size above. 0: off.",
    )
    seed_resize_from_h: int = param(
        0,
        ge=0,
        le=16384,
        slider=(0, 2048, 8),
        label="Resize seed from height",
        infotext="Seed resize from",
        group="variation",
        help="Likewise for the height.",
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

    @property
    def varies(self) -> bool:
        """Whether there is a variation of the seed."""
        return self.subseed_strength > 0

    @property
    def resizes_seed(self) -> bool:
        """Whether the noise is that of another size."""
        return self.seed_resize_from_w > 0 and self.seed_resize_from_h > 0

    def seeds_of(self, index: int) -> tuple[int, int]:
        """Seed and variation seed of picture `index`: with a variation, that one counts on, else the seed."""
        return (self.seed, self.subseed + index) if self.varies else (self.seed + index, self.subseed)
