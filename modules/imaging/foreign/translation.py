"""A picture's settings on their way into A1111's words."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...core.dialects import LEFT_OUT, MADE_WITH
from ...core.infotext import composed

log = logging.getLogger("easel.imaging")

LONGEST_JSON: Final = 4_000_000  # characters; large graphs have a few hundred thousand
LONGEST_VALUE: Final = 300
MOST_LOST: Final = 20


@dataclass
class Translation:
    """What was said, `entries` by A1111's keys, and sentences about what was `lost`."""

    program: str
    prompt: str = ""
    negative: str = ""
    entries: dict[str, Any] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    def lose(self, sentence: str) -> None:
        """Notes that something cannot be said, once."""
        if sentence not in self.lost and len(self.lost) < MOST_LOST:
            self.lost.append(sentence)

    def text(self) -> str:
        """A1111's text. Values that are no plain words or numbers are left out."""
        said = {key: scalar(value) for key, value in self.entries.items()}
        more = {MADE_WITH: self.program, LEFT_OUT: "\n".join(self.lost) or None}
        return composed(self.prompt.strip(), self.negative.strip(), {**said, **more})


def scalar(value: Any) -> Any:
    """A number or a short text as it is; None for anything else."""
    if isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() < 128):
        return value
    return value[:LONGEST_VALUE] if isinstance(value, str) and value.strip() else None


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def words(value: Any) -> str:
    """The value if it is text, else ""."""
    return value if isinstance(value, str) else ""


def parsed(text: str | None) -> Any:
    """What a JSON text says; None when it is none, or longer or deeper than any picture needs."""
    if not isinstance(text, str) or text.lstrip()[:1] not in ("{", "[") or len(text) > LONGEST_JSON:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        log.info("The JSON in a picture cannot be read: %s", error)
        return None
