"""Prompts become vectors. Each distinct text is encoded once, and remembered for the next jobs."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.hooks import Hooks
from ..diffusion.guidance import Conditional
from ..text.chunks import chunk
from ..text.grammar import attention, strip_comments
from .model import Model
from .run import Batch, Run

REMEMBERED = 32


@dataclass(frozen=True)
class Conditioning:
    """What to steer toward, and what away from: (pictures or 1, tokens, width) each."""

    conditionals: list[Conditional]
    unconditional: Tensor


class Encoder:
    """Encodes prompts for one checkpoint after another, keeping the latest results."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], Tensor] = OrderedDict()
        self._model: Model | None = None

    def forget(self) -> None:
        """Lets go of the model and of all that was encoded with it."""
        self._known.clear()
        self._model = None

    def encode(self, run: Run, batch: Batch, model: Model, hooks: Hooks) -> Conditioning:
        """The conditioning of one batch, in the checkpoint's compute dtype."""
        hooks.call("prompts_ready", run=run, batch=batch)
        skip = run.request.clip_skip
        positive = self._rows(batch.prompts, model, skip)
        return Conditioning([Conditional(positive)], self._rows(batch.negative_prompts, model, skip))

    @torch.inference_mode()
    def _rows(self, texts: list[str], model: Model, clip_skip: int) -> Tensor:
        """One row for all pictures when they share a text; else one each, shorter ones ended by their last vector."""
        if len(set(texts)) == 1:
            return self._one(texts[0], model, clip_skip)
        rows = [self._one(text, model, clip_skip) for text in texts]
        longest = max(row.shape[1] for row in rows)
        return torch.cat([_extended(row, longest) for row in rows])

    def _one(self, text: str, model: Model, clip_skip: int) -> Tensor:
        """Vectors of one text, shape (1, 77 * chunks, width)."""
        if model is not self._model:
            self.forget()
            self._model = model
        key = (text, clip_skip)
        if key not in self._known:
            self._known[key] = model.weights.encode(chunk(attention(strip_comments(text))), clip_skip)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]


def _extended(row: Tensor, length: int) -> Tensor:
    missing = length - row.shape[1]
    return torch.cat([row, row[:, -1:].expand(-1, missing, -1)], dim=1) if missing else row
