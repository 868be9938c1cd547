"""Latents become pixels."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ..core.errors import UserError
from ..core.events import Noticed
from ..core.hooks import Hooks
from ..core.sections.model import TAESD
from ..weights.taesd import STEMS
from .model import Model
from .run import Batch, Run


def decode(run: Run, batch: Batch, latents: Tensor, model: Model, hooks: Hooks) -> Iterator[Tensor]:
    """Pictures as float32 (3, height, width) in 0..1, one at a time: the first can be saved while the second is made.

    When somebody listens to `decoded`, all are made first, since that moment sees the whole batch.
    """
    if hooks.listens("decoded"):
        images = torch.stack([decoded(one, run, model) for one in latents])
        yield from hooks.changed("decoded", images, argument="images", run=run, batch=batch)
    else:
        yield from (decoded(one, run, model) for one in latents)


def check_decoder(run: Run, model: Model) -> None:
    """Raises UserError when the request wants a decoder that is not there, before anything is painted."""
    if run.request.sd_vae_decode_method == TAESD:
        _tiny(run, model)


@torch.inference_mode()
def decoded(latents: Tensor, run: Run, model: Model) -> Tensor:
    """One picture, float32 (3, height, width) in 0..1, from its latents (channels, h, w). Raises UserError when the VAE
    gives NaN.
    """
    if run.request.sd_vae_decode_method == TAESD:
        return _tiny(run, model)(latents[None].to(model.weights.device))[0].float().clamp(0, 1)
    image = model.weights.decode(latents[None])[0]
    while model.weights.remarks:
        run.emit(Noticed(run.job, model.weights.remarks.pop()))
    if not torch.isfinite(image).all():
        raise UserError(
            "The VAE gave numbers that are not finite (NaN), so there is no picture.",
            hint="Choose another VAE: this one's numbers are broken, in float32 too.",
        )
    return ((image + 1) / 2).clamp(0, 1)


def _tiny(run: Run, model: Model) -> nn.Module:
    decoder = run.tiny_decoder(model.weights)
    if decoder is None:
        raise UserError(
            f"There is no TAESD decoder for {model.weights.family.name} models.",
            hint=f"Put {STEMS[model.weights.family.id][0]}.safetensors into models/VAE-approx, or choose Full.",
        )
    return decoder
