"""Where a generation starts from: the one step in which txt2img, img2img and inpainting differ."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..diffusion.noise import NoiseSource
from .model import Model
from .run import Batch, Run


@dataclass
class Start:
    """`noise` of unit variance, shape (pictures, channels, height / 8, width / 8), and who draws what comes later."""

    noise: Tensor
    source: NoiseSource


def starting_latents(run: Run, batch: Batch, model: Model) -> Start:
    """Pure noise, each picture from its own seed, so that a batch of four equals four singles."""
    request = run.request
    shape = model.latent_shape(request.width, request.height)
    source = NoiseSource(batch.seeds, source=request.noise_source, device=model.weights.device)
    return Start(source.starting(shape), source)
