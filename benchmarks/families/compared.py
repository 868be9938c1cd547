"""Random inputs, the same in every run, and how far two outputs are from each other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Found = dict[str, Any]


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def compared(*pairs: tuple[Tensor, Tensor]) -> Found:
    """The largest difference of all pairs, and the least spread of what was to come out."""
    differences = [float((ours - theirs).abs().max()) for ours, theirs in pairs]
    spreads = [float(theirs.std()) for _, theirs in pairs]
    return {"difference": max(differences), "spread": min(spreads)}
