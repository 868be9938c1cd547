"""Training that can be stopped at any moment: checkpoints by wall-clock time, and the time for the log."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

import torch

SECONDS_BETWEEN_CHECKPOINTS = 180


class Stateful(Protocol):
    def state_dict(self) -> dict: ...

    def load_state_dict(self, state: dict) -> object: ...


class Checkpoint:
    """Saves the parts of a training under one path, with the seconds spent and the step reached."""

    def __init__(self, path: Path, parts: dict[str, Stateful]) -> None:
        self.path, self.parts = path, parts
        self.saved_at = time.monotonic()

    def resume(self) -> tuple[float, int]:
        """Restores every part if there is something to restore; gives seconds spent and steps done."""
        if not self.path.exists():
            return 0.0, 0
        saved = torch.load(self.path, map_location="cpu", weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(saved[name])
        print(f"{clock()} goes on from {self.path.name}, step {saved['step']}", flush=True)
        return saved["spent"], saved["step"]

    def save(self, spent: float, step: int) -> None:
        state = {name: part.state_dict() for name, part in self.parts.items()}
        unfinished = self.path.with_suffix(".unfinished")
        torch.save({**state, "spent": spent, "step": step}, unfinished)
        unfinished.replace(self.path)
        self.saved_at = time.monotonic()

    def save_now_and_then(self, spent: float, step: int) -> bool:
        """Saves when the last time is some minutes ago; says whether it did."""
        due = time.monotonic() - self.saved_at > SECONDS_BETWEEN_CHECKPOINTS
        if due:
            self.save(spent, step)
        return due


def clock() -> str:
    return time.strftime("%H:%M:%S")
