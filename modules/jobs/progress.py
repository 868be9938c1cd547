"""How far a job is and how long it still takes, from the times at which its steps were done."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

from ..core.events import Step

RECENT = 25


class Progress:
    """Fed with a job's steps and when each was done (seconds, any clock). Belongs to one job.

    A step's usual time is the median of recent ones, so that one slow step (the first often is) does not count; what a
    batch takes besides its steps (encoding, decoding, that first step) is measured from batch to batch.
    """

    def __init__(self) -> None:
        self._newest: Step | None = None
        self._at = 0.0
        self._step_times: list[float] = []
        self._between_batches: list[float] = []

    def done(self, step: Step, now: float) -> None:
        before, elapsed = self._newest, now - self._at
        self._newest, self._at = step, now
        if before is None:
            return
        if before.first != step.first:
            self._between_batches.append(elapsed / max(1, step.step))
        elif step.step > before.step:
            self._step_times = [*self._step_times, elapsed / (step.step - before.step)][-RECENT:]

    @property
    def fraction(self) -> float:
        """How much of the whole job is done, 0 to 1."""
        step = self._newest
        if step is None or not step.pictures:
            return 0.0
        in_batch = (step.last - step.first + 1) * step.step / max(1, step.steps)
        return min(1.0, (step.first + in_batch) / step.pictures)

    def seconds_left(self, now: float) -> float | None:
        """How long the job still takes; None until enough of it was seen."""
        step = self._newest
        if step is None or not (self._step_times or self._between_batches):
            return None
        usual = median(self._step_times) if self._step_times else 0.0
        between = median(self._between_batches) if self._between_batches else usual
        together = step.last - step.first + 1
        batches = math.ceil(max(0, step.pictures - step.last - 1) / together)
        whole_batch = between + usual * max(0, step.steps - 1)
        left = usual * (step.steps - step.step) + batches * whole_batch
        return max(0.0, left - (now - self._at))

    def told(self, now: float) -> dict[str, Any] | None:
        """The progress as the page gets it; None before the first step."""
        step = self._newest
        if step is None:
            return None
        left = self.seconds_left(now)
        return {
            "job": step.job,
            "step": step.step,
            "steps": step.steps,
            "first": step.first,
            "last": step.last,
            "pictures": step.pictures,
            "fraction": round(self.fraction, 4),
            "seconds_left": None if left is None else round(left, 2),
        }
