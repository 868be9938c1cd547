"""Looking inside: what is recorded for the Inspect panel while a picture is painted."""

from __future__ import annotations

import functools
import re
from typing import Final

from pydantic import BaseModel, field_validator

from ..params import param

EVERY_STEP, LAST_STEP = "every step", "last"
INSPECT: Final = "inspect"  # the tab that jobs come from which are only looked into
_RANGE = re.compile(r"([0-9]{1,6})(?:\s*-\s*([0-9]{1,6}))?")


class Inspecting(BaseModel):
    """What is recorded of a generation's insides, and whether anything else comes out of it."""

    inspect: str = param(
        "",
        max_length=1000,
        label="Inspect",
        infotext="",
        group="inspect",
        tabs=(),
        help='Steps whose insides are recorded: "every step", "last", or numbers such as 1, 5, 10-15. Empty: none.',
    )
    inspect_only: bool = param(
        False,
        label="Inspect only",
        infotext="",
        group="inspect",
        tabs=(),
        help="The pictures are looked into and let go: they are neither saved nor in the history.",
    )
    vae_round_trip: bool = param(
        False,
        label="VAE round trip",
        infotext="",
        group="inspect",
        tabs=(),
        help="Nothing is painted: the picture to start from is encoded and decoded by the VAE, and both are compared.",
    )

    @field_validator("inspect")
    @classmethod
    def _names_steps(cls, inspect: str) -> str:
        steps_of(inspect)
        return inspect

    def inspects(self, step: int, steps: int) -> bool:
        """Whether step `step` of `steps`, counted from 1 through all passes, is recorded."""
        wanted = steps_of(self.inspect)
        return step == steps if wanted is None else any(step in one for one in wanted)


@functools.cache
def steps_of(inspect: str) -> tuple[range, ...] | None:
    """The steps that a value of `inspect` names; None for the last one, whichever that is. Raises ValueError."""
    text = inspect.strip().casefold()
    if text == LAST_STEP:
        return None
    if text == EVERY_STEP:
        return (range(1, 10**6),)
    return tuple(map(_range, filter(None, (word.strip() for word in text.split(",")))))


def _range(word: str) -> range:
    found = _RANGE.fullmatch(word)
    if not found:
        raise ValueError(
            f'{word[:40]!r} names no steps: write "{EVERY_STEP}", "{LAST_STEP}", or numbers like 1, 5, 10-15'
        )
    return range(int(found[1]), int(found[2] or found[1]) + 1)
