"""The Extras tab: finished pictures made larger, without painting."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import EXTRAS, param

NO_UPSCALER = "None"
SIZINGS = ("Scale by", "Scale to")
SCALE_BY, SCALE_TO = SIZINGS


# Parameters that count only with some choices: the field that chooses, and these choices.
ONLY_WITH = {
    "upscaling_resize": ("upscaling_mode", (SCALE_BY,)),
    "upscaling_resize_w": ("upscaling_mode", (SCALE_TO,)),
    "upscaling_resize_h": ("upscaling_mode", (SCALE_TO,)),
    "upscaling_crop": ("upscaling_mode", (SCALE_TO,)),
}


class Extras(BaseModel):
    """What is done to finished pictures: how large they become, by what, and in which order."""

    extras: bool = param(
        False,
        label="Extras",
        infotext="",
        group="upscaling",
        tabs=(),
        help="Nothing is painted: the pictures to start from are only made larger. The tab extras sets it.",
    )
    upscaler_1: str = param(
        "Lanczos",
        choices="upscalers",
        label="Upscaler",
        infotext="Postprocess upscaler",
        written="noted",
        group="upscaling",
        tabs=(EXTRAS,),
        help="What enlarges. Put model files into models/ESRGAN and press Refresh. None leaves the size as it is.",
    )
    upscaling_mode: str = param(
        SCALE_BY,
        choices=SIZINGS,
        label="Resize",
        infotext="",
        group="upscaling",
        tabs=(EXTRAS,),
        help="By a factor, or to a width and height.",
    )
    upscaling_resize: float = param(
        4.0,
        ge=0.05,
        le=64,
        slider=(1, 8, 0.05),
        label="Factor",
        infotext="Postprocess upscale by",
        written="noted",
        group="upscaling",
        tabs=(EXTRAS,),
        help="How many times wider and higher, where it is scaled by.",
    )
    upscaling_resize_w: int = param(
        1024,
        ge=0,
        le=16384,
        slider=(0, 4096, 8),
        label="Scale to width",
        infotext="",
        group="upscaling",
        tabs=(EXTRAS,),
        help="Where it is scaled to. 0: what the height gives.",
    )
    upscaling_resize_h: int = param(
        1024,
        ge=0,
        le=16384,
        slider=(0, 4096, 8),
        label="Scale to height",
        infotext="",
        group="upscaling",
        tabs=(EXTRAS,),
        help="Likewise. 0: what the width gives.",
    )
    upscaling_crop: bool = param(
        True,
        label="Crop to fit",
        infotext="",
        group="upscaling",
        tabs=(EXTRAS,),
        help="Cut off what is beyond the width or height on both sides alike. Otherwise it stays.",
    )
    upscaler_2: str = param(
        NO_UPSCALER,
        choices="upscalers",
        label="Second upscaler",
        infotext="Postprocess upscaler 2",
        written="noted",
        group="blending",
        tabs=(EXTRAS,),
        help="Its result is laid over that of the first one.",
    )
    extras_upscaler_2_visibility: float = param(
        0.5,
        ge=0,
        le=1,
        slider=(0, 1, 0.01),
        label="Second upscaler visibility",
        infotext="Postprocess upscaler 2 visibility",
        written="noted",
        group="blending",
        tabs=(EXTRAS,),
        help="How much of the second result is seen: 0 nothing, 1 nothing else.",
    )
    restorer: str = param(
        NO_UPSCALER,
        choices="upscalers",
        label="Restoration model",
        infotext="Postprocess restoration model",
        written="noted",
        group="restoring",
        tabs=(EXTRAS,),
        help="A model run at the picture's own size, such as one that takes away noise or traces of JPEG.",
    )
    restorer_visibility: float = param(
        1.0,
        ge=0,
        le=1,
        slider=(0, 1, 0.01),
        label="Restoration visibility",
        infotext="Postprocess restoration visibility",
        written="noted",
        group="restoring",
        tabs=(EXTRAS,),
        help="How much of the restored picture is seen.",
    )
    upscale_first: bool = param(
        False,
        label="Upscale first",
        infotext="Postprocess upscale first",
        written="noted",
        group="restoring",
        tabs=(EXTRAS,),
        help="The order of the two steps: restored after it is enlarged, not before.",
    )
    upscale_tile: int = param(
        256,
        ge=0,
        le=4096,
        slider=(0, 1024, 16),
        alias="ESRGAN_tile",
        label="Tile size",
        infotext="",
        group="tiles",
        tabs=(EXTRAS,),
        help="Models see tiles of so many pixels of the picture; smaller ones take less memory. 0: all at once.",
    )
    upscale_overlap: int = param(
        32,
        ge=0,
        le=1024,
        slider=(0, 128, 4),
        alias="ESRGAN_tile_overlap",
        label="Tile overlap",
        infotext="",
        group="tiles",
        tabs=(EXTRAS,),
        help="How much of a tile its neighbour has too. One gives way to the other there, so that no seam is seen.",
    )

    @property
    def enlarges(self) -> bool:
        """Whether an upscaler is chosen."""
        return (self.upscaler_1, self.upscaler_2) != (NO_UPSCALER, NO_UPSCALER)

    @property
    def scales_to(self) -> bool:
        """Whether the size is said in pixels."""
        return self.upscaling_mode == SCALE_TO
