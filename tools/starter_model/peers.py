"""Processes that train one network together: on a CPU, two of one thread each do more than one of two threads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class Peers:
    """One of `count` processes. Each trains on its own pictures; gradients are averaged at every step."""

    rank: int = 0
    count: int = 1

    def meet(self, folder: Path) -> None:
        """Waits until all the others are there, through a file in that folder."""
        if self.count > 1:
            place = (folder / "meeting").absolute().as_uri()
            distributed.init_process_group("gloo", init_method=place, rank=self.rank, world_size=self.count)

    def agree(self, model: nn.Module, spent: float) -> float:
        """Gives every process the mean of the gradients, and returns the mean of the seconds that they spent."""
        if self.count == 1:
            return spent
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        parts = [g.reshape(-1) for g in gradients]
        together = torch.cat([*parts, torch.tensor([spent])])
        distributed.all_reduce(together)
        together /= self.count
        *parts, mean_spent = together.split([*(g.numel() for g in gradients), 1])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
        return float(mean_spent)


ALONE = Peers()
