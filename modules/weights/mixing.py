"""The tensors of a new model file, made one at a time: mixed in float32, changed by LoRAs, and cast. Of the files that
they are made of only what is being worked on is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..catalog.header import Header
from ..catalog.outcome import Plan, Planned
from ..core.model_work import ADD_DIFFERENCE, ModelWork
from .lora.bake import Baking
from .tensors import DTYPES, Mapped

BLOCK = 1 << 18  # numbers
BOUNDED = {dtype: torch.finfo(dtype).max for dtype in (torch.float16, torch.float8_e4m3fn)}


def weighted_sum(a: Tensor, b: Tensor, multiplier: float) -> Tensor:
    """A * (1 - M) + B * M, float32."""
    return _blockwise(lambda a, b: a.mul(1 - multiplier).add_(b.mul(multiplier)), a, b)


def add_difference(a: Tensor, b: Tensor, c: Tensor, multiplier: float) -> Tensor:
    """A + (B - C) * M, float32."""
    return _blockwise(lambda a, b, c: b.sub(c).mul_(multiplier).add_(a), a, b, c)


def _blockwise(formula: Callable[..., Tensor], *parts: Tensor) -> Tensor:
    """A formula of numbers in float32, computed in blocks that the processor's cache holds: memory is the slow part."""
    flat = [part.reshape(-1) for part in parts]
    mixed = torch.empty(parts[0].shape, dtype=torch.float32)
    for start in range(0, mixed.numel(), BLOCK):
        mixed.view(-1)[start : start + BLOCK] = formula(*(part[start : start + BLOCK].float() for part in flat))
    return mixed


def cast(numbers: Tensor, dtype: torch.dtype) -> tuple[Tensor, int]:
    """The numbers in another format, and how many were too large for it and were cut to its largest one."""
    largest = BOUNDED.get(dtype)
    if largest is None or numbers.dtype == dtype or not numbers.numel():
        return numbers.to(dtype), 0
    low, high = numbers.float().aminmax()
    if low >= -largest and high <= largest:
        return numbers.to(dtype), 0
    return numbers.float().clamp(-largest, largest).to(dtype), int((numbers.float().abs() > largest).sum())


class Mixture:
    """Gives the tensors of a plan. `cut` counts the numbers that did not fit into their new format."""

    def __init__(
        self, plan: Plan, work: ModelWork, models: Sequence[Header], vae: Header | None, baking: Baking | None
    ) -> None:
        self._plan, self._work, self._baking = plan, work, baking
        self._headers, self._files = models, [Mapped(header) for header in models]
        self._vae, self._vae_file = vae, Mapped(vae) if vae else None
        self.cut = 0

    @torch.no_grad()
    def __call__(self, name: str) -> Tensor | memoryview:
        """One tensor of the plan, or its bytes where they are the same as in the file."""
        planned = self._plan[name]
        if planned.vae:
            return self._converted(self._vae_file.tensor(planned.vae), planned)
        own = planned.names[0]
        baked = self._baking is not None and self._baking.changes(own)
        if len(planned.names) == 1 and not baked:
            if self._headers[0].tensors[own].dtype == planned.dtype:
                return self._files[0].stored(own)
            return self._converted(self._files[0].tensor(own), planned)
        numbers = self._mixed(planned).contiguous()
        if baked:
            self._baking.bake(own, numbers)
        return self._converted(numbers, planned)

    def let_go(self, name: str) -> None:
        """Says that a tensor is written: what it was made of is not needed any more."""
        planned = self._plan[name]
        if planned.vae:
            self._vae_file.let_go(planned.vae)
        for file, own in zip(self._files, planned.names, strict=False):
            file.let_go(own)

    def _mixed(self, planned: Planned) -> Tensor:
        """The models' tensors of one name, mixed; where A's reads more channels than the others', in the first ones."""
        parts = [file.tensor(own) for file, own in zip(self._files, planned.names, strict=False)]
        if len(parts) == 1:
            return parts[0].to(torch.float32, copy=True)
        first, others = parts[0], parts[1:]
        seen = others[0].shape[1] if first.numel() != others[0].numel() else None
        shared = first if seen is None else first[:, :seen]
        others = [other.view(shared.shape) if seen is None else other for other in others]
        multiplier = self._work.multiplier
        if self._work.method == ADD_DIFFERENCE:
            mixed = add_difference(shared, *others, multiplier)
        else:
            mixed = weighted_sum(shared, *others, multiplier)
        return mixed if seen is None else torch.cat([mixed, first[:, seen:].float()], dim=1)

    def _converted(self, numbers: Tensor, planned: Planned) -> Tensor:
        converted, cut = cast(numbers.reshape(planned.shape), DTYPES[planned.dtype])
        self.cut += cut
        return converted
