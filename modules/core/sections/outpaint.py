"""How far a picture is carried on past its edges."""

from __future__ import annotations

from pydantic import BaseModel

from ..params import INPAINT, param

OUTPAINT_FILLS = ("mirror", "noise", "edge")
FARTHEST = 4096


class Outpainting(BaseModel):
    """Pixels to add on each side, and what is there at the start. What is added is painted as if it were masked."""

    outpaint_left: int = param(
        0,
        ge=0,
        le=FARTHEST,
        slider=(0, 512, 8),
        label="Outpaint left",
        written="changed",
        group="outpaint",
        tabs=(INPAINT,),
        help="Pixels to add on the left of the picture.",
    )
    outpaint_right: int = param(
        0,
        ge=0,
        le=FARTHEST,
        slider=(0, 512, 8),
        label="Outpaint right",
        written="changed",
        group="outpaint",
        tabs=(INPAINT,),
        help="Pixels to add on the right of the picture.",
    )
    outpaint_up: int = param(
        0,
        ge=0,
        le=FARTHEST,
        slider=(0, 512, 8),
        label="Outpaint up",
        written="changed",
        group="outpaint",
        tabs=(INPAINT,),
        help="Pixels to add above the picture.",
    )
    outpaint_down: int = param(
        0,
        ge=0,
        le=FARTHEST,
        slider=(0, 512, 8),
        label="Outpaint down",
        written="changed",
        group="outpaint",
        tabs=(INPAINT,),
        help="Pixels to add below the picture.",
    )
    outpaint_fill: str = param(
        "mirror",
        choices=OUTPAINT_FILLS,
        label="Outpaint fill",
        needs="outpaints",
        group="outpaint",
        tabs=(INPAINT,),
        help="What the added part is at the start: the picture mirrored, noise of its colours, or its edge drawn out.",
    )

    @property
    def outpaints(self) -> bool:
        """Whether the picture is made larger."""
        return any((self.outpaint_left, self.outpaint_right, self.outpaint_up, self.outpaint_down))
