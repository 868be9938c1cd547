"""Pixels become a picture that carries its story."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from ..core.hooks import Hooks
from ..core.infotext import write
from ..core.pictures import Facts, Picture
from .model import Model
from .run import Batch, Run


@dataclass
class Draft:
    """A picture that listeners of `picture_ready` may still change. `pixels` is uint8 (height, width, 3)."""

    pixels: np.ndarray
    index: int
    prompt: str
    seed: int
    notes: dict[str, Any] = field(default_factory=dict)


def finish(run: Run, batch: Batch, position: int, image: Tensor, model: Model, hooks: Hooks) -> Picture:
    """The picture at `position` of its batch, from `image`, float (3, height, width) in 0..1, joined to what was there
    before.
    """
    pixels = np.ascontiguousarray((image * 255).round().byte().permute(1, 2, 0).cpu().numpy())
    draft = Draft(
        run.original.scene.joined(pixels) if run.original else pixels,
        batch.first + position,
        batch.prompts[position],
        batch.seeds[position],
        dict(run.notes),
    )
    hooks.call("picture_ready", run=run, draft=draft)
    request = run.request.model_copy(
        update={
            "prompt": draft.prompt,
            "negative_prompt": batch.negative_prompts[position],
            "seed": draft.seed,
            "subseed": batch.subseeds[position],
            "batch_size": 1,
            "batch_count": 1,
        }
    )
    facts = Facts(
        seed=draft.seed,
        model=model.file.name,
        model_hash=model.file_hash.result(),
        vae=model.vae.path.name if model.vae else "",
        vae_hash=model.vae_hash.result() if model.vae_hash else "",
        device=str(model.weights.device),
        dtype=str(model.weights.dtype).removeprefix("torch."),
        seconds=time.perf_counter() - run.began,
        notes=draft.notes,
    )
    return Picture(draft.pixels, draft.index, request, facts, write(request, facts), run.source)
