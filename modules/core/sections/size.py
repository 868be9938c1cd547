"""How large the pictures are, and how many of them are made."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import param


class Size(BaseModel):
    """Width, height, and the number of pictures."""

    width: int = param(
        512,
        ge=64,
        le=16384,
        multiple_of=8,
        slider=(64, 2048, 8),
        label="Width",
        infotext="Size",
        group="size",
        help="Width of the picture in pixels, a multiple of 8.",
    )
    height: int = param(
        512,
        ge=64,
        le=16384,
        multiple_of=8,
        slider=(64, 2048, 8),
        label="Height",
        infotext="Size",
        group="size",
        help="Height of the picture in pixels, a multiple of 8.",
    )
    tiling: bool = param(
        False,
        label="Tiling",
        written="changed",
        group="advanced",
        help="The picture's opposite edges meet without a seam: for textures.",
    )
    batch_size: int = param(
        1,
        ge=1,
        le=64,
        slider=(1, 8, 1),
        label="Batch size",
        infotext="",
        group="batch",
        help="Pictures made at the same time. Needs more memory, takes less time per picture.",
    )
    batch_count: int = param(
        1,
        ge=1,
        le=10_000,
        slider=(1, 100, 1),
        alias="n_iter",
        label="Batch count",
        infotext="",
        group="batch",
        help="Batches made one after another.",
    )
