"""What comes out of a generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .request import GenerationRequest

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True)
class Facts:
    """What really happened while one picture was made. Times in seconds, hashes as A1111's ten hex digits."""

    seed: int
    model: str = ""
    model_hash: str = ""
    vae: str = ""
    vae_hash: str = ""
    device: str = ""
    dtype: str = ""
    seconds: float = 0.0
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """Pixels and their story. `pixels` is uint8, shape (height, width, 3), RGB; `index` counts within the job;
    `request` is the one that makes this picture alone; `infotext` is A1111's parameters text; `source` is the plain
    name of the file that it was made from, where there is one. A `grid` shows several others; `source` names its kind.
    """

    pixels: numpy.ndarray
    index: int
    request: GenerationRequest
    facts: Facts
    infotext: str
    source: str = ""
    grid: bool = False


@dataclass(frozen=True)
class Abilities:
    """What this engine can do, extensions included. Names as the page shows them.

    `applies`: of request fields that only some samplers or schedules heed, the field that chooses and which these are.
    """

    samplers: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    default_schedules: Mapping[str, str] = field(default_factory=dict)
    applies: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    dtype: str = ""
