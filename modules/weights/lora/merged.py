"""Which LoRAs are in a model's weights now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Layer(NamedTuple):
    """A layer of a model: "unet" or "text_encoder", and its place in that network."""

    network: str
    path: str


class Place(NamedTuple):
    """Where a file's change belongs: a layer. One that a file has fused with others gets its rows of the change: `span`
    of `parts` equal blocks, from the `part`-th on.
    """

    layer: Layer
    part: int = 0
    parts: int = 1
    span: int = 1


class Dose(NamedTuple):
    """How much of one file: `path` and `identity` tell the file with its content; factors for the text encoder and the
    UNet; `rank` keeps only the first so many ranks, None all.
    """

    path: str
    identity: tuple[int, int]
    text_encoder: float
    unet: float
    rank: int | None


@dataclass(frozen=True)
class Fit:
    """The layers of a model that a file changes, by the file's names, of which each may mean several; and what there is
    to remark, or "".
    """

    layers: Mapping[str, tuple[Place, ...]]
    remark: str = ""


@dataclass
class Merged:
    """`doses` says it of the whole model, `recipes` of each layer that is not as the checkpoint has it. `unfinished`:
    something went wrong on the way to other doses. `remarks` came with these doses; `fits` are known by file.
    """

    doses: tuple[Dose, ...] = ()
    recipes: dict[Layer, tuple] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    unfinished: bool = False
    fits: dict[tuple[Path, tuple[int, int]], Fit] = field(default_factory=dict)

    @property
    def in_text_encoder(self) -> tuple[Dose, ...]:
        """What the text encoder got: part of what anybody must compare who remembers what it gave."""
        return tuple(dose._replace(unet=0.0) for dose in self.doses if dose.text_encoder)
