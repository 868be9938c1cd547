"""Masks that extensions make: of faces, of the background, of whatever they know how to find in a picture."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy

from ..core.errors import UserError
from ..core.hooks import Hooks

log = logging.getLogger("easel.extensions")

MaskMaker = Callable[[numpy.ndarray], numpy.ndarray]
"""Pixels, uint8 (height, width, 3), to a mask, (height, width): white, 255 or True, where it is to be painted anew."""


def offered_masks(hooks: Hooks) -> dict[str, MaskMaker]:
    """The makers of masks that extensions offer now, by their names."""
    offered: dict[str, MaskMaker] = {}
    hooks.call("offering_masks", masks=offered)
    return offered


def made_mask(name: str, pixels: numpy.ndarray, hooks: Hooks) -> numpy.ndarray:
    """The mask that the maker called `name` makes of pixels (height, width, 3 or 4): uint8 (height, width, 3).

    Raises UserError when there is none of that name, or it fails, or gives something that is no mask.
    """
    offered = offered_masks(hooks)
    if name not in offered:
        there = f"There are: {', '.join(offered)}." if offered else "No extension that is loaded offers any."
        raise UserError(f"There is no automatic mask called {name[:60]!r}.", hint=there)
    try:
        made = numpy.asarray(offered[name](numpy.ascontiguousarray(pixels[..., :3])))
    except UserError:
        raise
    except Exception as error:  # an extension's call is a border
        log.error("The automatic mask %s failed.", name, exc_info=error)
        raise UserError(f"The automatic mask {name} failed: {type(error).__name__}: {str(error)[:200]}.") from error
    if made.shape != pixels.shape[:2]:
        wanted = f"{pixels.shape[0]} rows of {pixels.shape[1]}"
        raise UserError(f"The automatic mask {name} has the shape {made.shape}, but the picture {wanted} pixels.")
    levels = made * 255 if made.dtype == bool else made
    return numpy.repeat(numpy.clip(levels, 0, 255).astype(numpy.uint8)[..., None], 3, axis=-1)
