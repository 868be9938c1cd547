"""Writes LoRAs into the tensors of a checkpoint's file, as `merge` does into the networks in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from ...catalog.header import Header
from ...core.errors import UserError
from ..load import outlined
from ..tensors import Source
from .merge import Share, Wanted, changed, changed_bias, planned


class _Place(NamedTuple):
    """A parameter inside a tensor of the file, and what the LoRAs add to it. `bias`: it is its layer's bias."""

    source: Source
    shape: tuple[int, ...]
    shares: list[Share]
    bias: bool


class Baking:
    """What LoRAs change in a checkpoint's file. `remarks`: a sentence for each that fits only in part.

    Raises UserError when the checkpoint is of a family whose networks are not known, or a LoRA does not fit at all: the
    new file would not be what its name says.
    """

    def __init__(self, header: Header, wanted: Sequence[Wanted]) -> None:
        outline = outlined(header)
        shares, _, self.remarks = planned(outline, wanted)
        for fit in outline.merged.fits.values():
            if not fit.layers:
                raise UserError(fit.remark, hint="Leave it out, or choose one made for this family.")
        self._places: dict[str, list[_Place]] = {}
        for layer, share in shares.items():
            module = getattr(outline, layer.network).get_submodule(layer.path)
            for kind in ("weight", "bias"):
                parameter = getattr(module, kind, None)
                if parameter is None or (kind == "bias" and all(one.change.of_bias() is None for one in share)):
                    continue
                found = outline.stored[layer.network].original(f"{layer.path}.{kind}")
                source = found if isinstance(found, Source) else Source(found)
                place = _Place(source, tuple(parameter.shape), share, kind == "bias")
                self._places.setdefault(source.name, []).append(place)

    def changes(self, name: str) -> bool:
        """Whether a tensor of the file is changed."""
        return name in self._places

    def bake(self, name: str, numbers: Tensor) -> None:
        """Changes a tensor of the file, given in float32, contiguous, in place."""
        flat = numbers.view(-1)
        for place in self._places.get(name, ()):
            parameter = place.source.taken(flat, place.shape)
            new = changed_bias(parameter, place.shares) if place.bias else changed(parameter, place.shares)
            place.source.put(flat, new)
