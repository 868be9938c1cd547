"""Prompts become vectors. Each distinct text is encoded once, and remembered for the next jobs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.hooks import Hooks
from ..diffusion.denoiser import Conditioning as Vectors
from ..diffusion.guidance import Conditional
from ..text.chunks import chunk
from ..text.grammar import attention, strip_comments
from ..weights.weights import Situation
from .model import Model
from .run import Batch, Run

REMEMBERED = 32


@dataclass(frozen=True)
class Conditioning:
    """What to steer toward, and what away from: (pictures or 1, tokens, width) each, or several such by name."""

    conditionals: list[Conditional]
    unconditional: Vectors


class Encoder:
    """Encodes prompts for one checkpoint after another, keeping the latest results."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], Vectors] = OrderedDict()
        self._model: Model | None = None

    def forget(self) -> None:
        """Lets go of the model and of all that was encoded with it."""
        self._known.clear()
        self._model = None

    def encode(self, run: Run, batch: Batch, model: Model, hooks: Hooks) -> Conditioning:
        """The conditioning of one batch, in the checkpoint's compute dtype."""
        hooks.call("prompts_ready", run=run, batch=batch)
        skip = run.request.clip_skip
        size = run.request.width, run.request.height
        positive = self._rows(batch.prompts, model, skip)
        negative = self._rows(batch.negative_prompts, model, skip)
        blank = not any(text.strip() for text in batch.negative_prompts)
        positive = model.weights.situated(positive, Situation(*size))
        negative = model.weights.situated(negative, Situation(*size, negative=True, blank=blank))
        return Conditioning([Conditional(positive)], negative)

    @torch.inference_mode()
    def _rows(self, texts: list[str], model: Model, clip_skip: int) -> Vectors:
        """One row for all pictures when they share a text; else one each, shorter ones ended by their last vector."""
        if len(set(texts)) == 1:
            return self._one(texts[0], model, clip_skip)
        rows = [self._one(text, model, clip_skip) for text in texts]
        if isinstance(rows[0], Mapping):
            return {name: _column([row[name] for row in rows]) for name in rows[0]}
        return _column(rows)

    def _one(self, text: str, model: Model, clip_skip: int) -> Vectors:
        """Vectors of one text, shape (1, 77 * chunks, width), and what else the family makes of it."""
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


def _column(rows: list[Tensor]) -> Tensor:
    """Rows of one kind below each other: (pictures, tokens, width), shorter ones extended, or (pictures, width)."""
    if rows[0].ndim < 3:
        return torch.cat(rows)
    longest = max(row.shape[1] for row in rows)
    return torch.cat([_extended(row, longest) for row in rows])


def _extended(row: Tensor, length: int) -> Tensor:
    missing = length - row.shape[1]
    return torch.cat([row, row[:, -1:].expand(-1, missing, -1)], dim=1) if missing else row
