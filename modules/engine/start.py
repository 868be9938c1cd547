"""Where a generation starts from: the one step in which txt2img, img2img and inpainting differ."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.sections.mask import LATENT_NOISE, LATENT_NOTHING
from ..diffusion.noise import NoiseSource, Variation
from .channels import extra_channels
from .model import Model
from .run import Batch, Run


@dataclass
class Start:
    """`noise`, shape (pictures, channels, height / 8, width / 8), and who draws what comes later.

    `latents` (pictures or 1, channels, h, w) is what the noise is laid over, as much of it as the denoising `strength`
    (0 to 1) says; None: noise alone. `exactly`: the request's steps are all done. Where `mask` (1, 1, h, w) is 0, the
    latents stay as they are. `channels` is what the network is given beside the latents.
    """

    noise: Tensor
    source: NoiseSource
    latents: Tensor | None = None
    strength: float = 1.0
    exactly: bool = False
    mask: Tensor | None = None
    channels: Tensor | None = None


def noise_source(run: Run, batch: Batch, model: Model) -> NoiseSource:
    """Who draws the noise of a batch, from its seeds, their variations, and the size that they are known at."""
    request, factor = run.request, model.weights.latent_factor
    resized = request.seed_resize_from_h // factor, request.seed_resize_from_w // factor
    return NoiseSource(
        batch.seeds,
        source=request.noise_source,
        device=model.weights.device,
        variation=Variation(tuple(batch.subseeds), request.subseed_strength) if request.varies else None,
        resize_from=resized if request.resizes_seed and all(resized) else None,
        eta_seed_delta=request.eta_noise_seed_delta,
    )


def starting_latents(run: Run, batch: Batch, model: Model) -> Start:
    """Each picture's noise from its own seed, so that a batch of four equals four singles; and what it is laid over."""
    request, original = run.request, run.original
    shape = model.latent_shape(request.width, request.height)
    source = noise_source(run, batch, model)
    noise, channels = source.starting(shape), extra_channels(run, model, *shape[1:])
    if original is None:
        return Start(noise, source, channels=channels)
    latents = original.latents
    if original.mask is not None and request.masked_content == LATENT_NOISE:
        latents = torch.lerp(latents.expand_as(noise), noise, original.mask.expand_as(noise))
    elif original.mask is not None and request.masked_content == LATENT_NOTHING:
        latents = latents * (1 - original.mask)
    return Start(
        noise * request.initial_noise_multiplier,
        source,
        latents,
        request.denoising_strength,
        request.img2img_fix_steps,
        original.mask,
        channels,
    )
