"""What a job says while it lives. Frozen and picklable, so that a worker may be a thread, a process or far away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .pictures import Abilities, Picture


@dataclass(frozen=True)
class Event:
    """Something that happened to job `job` ("" when it concerns the engine itself)."""

    job: str


@dataclass(frozen=True)
class EngineReady(Event):
    """The engine can work now."""

    abilities: Abilities


@dataclass(frozen=True)
class LoadingModel(Event):
    """A checkpoint is being read. `model` is its name."""

    model: str


@dataclass(frozen=True)
class ModelLoaded(Event):
    """A checkpoint sits in memory. `native_size` in pixels; `recommended` are defaults for request fields."""

    model: str
    native_size: int
    recommended: dict
    seconds: float


@dataclass(frozen=True)
class Queued(Event):
    """The job waits."""


@dataclass(frozen=True)
class Started(Event):
    """The job runs."""


@dataclass(frozen=True)
class Step(Event):
    """`step` of `steps` of the batch is done; pictures `first` to `last` (0-based, of `pictures`) are being made."""

    step: int
    steps: int
    first: int
    last: int
    pictures: int


@dataclass(frozen=True)
class Preview(Event):
    """How the first picture of the batch looks now, as JPEG bytes."""

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True)
class PictureDone(Event):
    """A picture came out of the engine. Not yet on disk."""

    picture: Picture


@dataclass(frozen=True)
class PictureSaved(Event):
    """A picture is on disk and in the history under `picture`."""

    picture: int
    index: int


@dataclass(frozen=True)
class ModelMade(Event):
    """A new model file is complete at `path`."""

    path: str


@dataclass(frozen=True)
class Inspected(Event):
    """What somebody asked to see inside a job: at step `step` (from 1, through all passes; 0: no step of a painting) of
    picture `picture`. `facts` are plain numbers and words, `images` are files by their names.
    """

    picture: int
    step: int
    facts: dict[str, Any]
    images: dict[str, bytes]


@dataclass(frozen=True)
class Noticed(Event):
    """Something worth knowing about a job that goes on all the same."""

    message: str


@dataclass(frozen=True)
class Finished(Event):
    """All pictures are made."""

    seconds: float


@dataclass(frozen=True)
class Stopped(Event):
    """Somebody stopped the job; what was done is kept."""


@dataclass(frozen=True)
class Failed(Event):
    """The job ended with an error: what was seen, and what to do."""

    message: str
    hint: str = ""
