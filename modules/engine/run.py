"""One job's working state inside the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy
from torch import Tensor

from ..core.errors import UserError
from ..core.events import Event
from ..core.params import EXTENSION_PARAMS
from ..core.request import GenerationRequest
from ..core.stop import StopToken
from ..text.grammar import strip_comments

if TYPE_CHECKING:
    from torch import nn

    from ..core.pictures import Picture
    from ..imaging.scene import Scene
    from ..weights.weights import Weights
    from .model import Model
    from .original import Original

Inputs = Callable[[str], numpy.ndarray]
PROMPTS = ("prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt")
Texts = Callable[[str], str]
Enlarge = Callable[[numpy.ndarray, str, int, int], numpy.ndarray]
TinyDecoder = Callable[["Weights"], "nn.Module | None"]


def no_inputs(picture: str) -> numpy.ndarray:
    """For an engine without a store of pictures."""
    raise UserError(f"There is no picture {picture!r} to start from.")


def no_text(picture: str) -> str:
    """For an engine that knows no picture's text."""
    return ""


def nobody_hears(picture: Picture) -> None:
    """For a run without an engine."""


def no_upscalers(picture: numpy.ndarray, name: str, width: int, height: int) -> numpy.ndarray:
    """For a run without an engine."""
    raise UserError(f"The upscaler {name!r} cannot be used here.")


def nobody_listens() -> None:
    """Before the first step."""


def nobody_looks(run: Run) -> None:
    """For a run without an engine."""


def no_model(checkpoint: str) -> Model:
    """For a run without an engine."""
    raise UserError(f"The checkpoint {checkpoint!r} cannot be opened here.")


def no_tiny_decoder(weights: Weights) -> None:
    """For an engine without tiny decoders."""


@dataclass
class Batch:
    """The pictures made together. Lists have one item a picture and may be changed before they are encoded."""

    first: int
    prompts: list[str]
    negative_prompts: list[str]
    seeds: list[int]
    subseeds: list[int]

    def __len__(self) -> int:
        return len(self.seeds)


@dataclass(frozen=True)
class Painting:
    """What is being painted: the batch, by which model, in how many steps of this pass."""

    batch: Batch
    model: Model
    steps: int


def without_comments(request: GenerationRequest) -> dict[str, str]:
    """The request's prompts as they are painted and written down: without comments, if these are not to be painted."""
    prompts = {name: getattr(request, name) for name in PROMPTS}
    return {name: strip_comments(text) for name, text in prompts.items()} if request.enable_prompt_comments else prompts


@dataclass
class Run:
    """What listeners and the steps of a generation share. `notes` go into every picture's text; `settings` are those
    in force when the job began, for extensions that declared some. `request.extra` has every extension's parameters.

    `inputs(id)` gives the pixels of a picture that somebody brought, uint8 (height, width, 3 or 4), `texts(id)` the
    settings text that came with it. `upscaled(picture, name, width, height)` makes one, uint8 (h, w, 3), larger by the
    upscaler of that name; `tiny_decoder(weights)` is TAESD for a model, None where it is missing. `original` is the
    one that this job starts from, once it is opened; None for noise alone. `channels` is what the model sees beside the
    latents, by their height and width.

    A job may have several parts (see `parts`). `first` is the index of this part's first picture, of `pictures` in all;
    `source` is the plain name of the file it starts from, `continued` the scene that the last part ended with, and
    `latest` the last picture made.

    `made(picture)` says that a picture is finished. `part` is the name of this part where its failure costs it alone.

    `steps_before` and `steps_after`: what other passes of the same batch do; in the second one, `first_pass` is the
    request of the first. `open_beside(name)` opens another checkpoint, for some of the steps.

    `painting` is what is being painted now; None before the first step. `look_inside(run)` has the steps told from now
    on, for which `listen_anew()` looks once more who listens to them.
    """

    job: str
    request: GenerationRequest
    emit: Callable[[Event], None]
    stop: StopToken
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Inputs = no_inputs
    texts: Texts = no_text
    upscaled: Enlarge = no_upscalers
    tiny_decoder: TinyDecoder = no_tiny_decoder
    original: Original | None = None
    channels: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    first: int = 0
    source: str = ""
    continued: Scene | None = None
    latest: Picture | None = None
    made: Callable[[Picture], None] = nobody_hears
    part: str = ""
    steps_before: int = 0
    steps_after: int = 0
    first_pass: GenerationRequest | None = None
    open_beside: Callable[[str], Model] = no_model
    painting: Painting | None = None
    look_inside: Callable[[Run], None] = nobody_looks
    listen_anew: Callable[[], None] = nobody_listens
    notes: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        if self.request.seed < 0 and not self.request.extras:
            raise UserError("The seed was not drawn.", hint="Requests are filled in before they reach the engine.")
        self.pictures = self.request.pictures
        declared = {param.name: param.default for param in EXTENSION_PARAMS}
        extra = {**declared, **self.request.extra}
        self.request = self.request.model_copy(update={**without_comments(self.request), "extra": extra})

    def change(self, **values: Any) -> None:
        """Replaces fields of the request, checked. Raises UserError when a value does not fit."""
        self.request = type(self.request).checked({**self.request.model_dump(), **values})

    def batches(self) -> Iterator[Batch]:
        """The batches of the request, each picture with its seed and variation seed."""
        size = self.request.batch_size
        for number in range(self.request.batch_count):
            first = number * size
            seeds, subseeds = zip(*(self.request.seeds_of(first + offset) for offset in range(size)), strict=True)
            prompts = [self.request.prompt] * size, [self.request.negative_prompt] * size
            yield Batch(self.first + first, *prompts, list(seeds), list(subseeds))
