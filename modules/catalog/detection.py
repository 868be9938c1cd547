"""What a rule of detection answers with, and how rules look things up among names and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]

# Width of the text that a UNet attends to. Twice 1280: the refiner has only the larger of SDXL's encoders.
CONTEXT_FAMILIES = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl"}


@dataclass(frozen=True)
class Detection:
    """`kind` in plain words ("checkpoint", "LoRA", "VAE", ... or "unknown"); `family_id` "" where none can be told.
    `variant` says which sort of its kind it is, "" where there is but one; `reason` why all that is believed.
    """

    kind: str
    family_id: str
    variant: str
    reason: str


def first(shapes: Shapes, prefixes: tuple[str, ...]) -> str | None:
    """The first name that begins with one of `prefixes`."""
    return next((name for name in shapes if name.startswith(prefixes)), None)


def size(shapes: Shapes, name: str, axis: int) -> int:
    """One size of one tensor; 0 when the tensor is absent or has fewer axes."""
    shape = shapes.get(name, ())
    return shape[axis] if len(shape) > axis else 0


def below(shapes: Shapes, prefix: str) -> Shapes:
    """The tensors whose names begin with `prefix`, without it."""
    return {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}


def context_width(shapes: Shapes, prefix: str = "") -> int:
    """Width of the text that the cross attention reads; 0 when there is none."""
    for name, shape in shapes.items():
        if name.startswith(prefix) and name.endswith("attn2.to_k.weight") and len(shape) == 2:
            return shape[1]
    return 0


def context_family(shapes: Shapes) -> str:
    return CONTEXT_FAMILIES.get(context_width(shapes), "")
