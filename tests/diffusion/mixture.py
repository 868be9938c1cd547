"""A world whose denoiser is known in closed form: an equal mixture of Gaussians. The fixture holds its centres."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import interpolate

from modules.core.registry import Entry
from modules.diffusion.noise import NoiseSource

FIXTURES = Path(__file__).parent / "fixtures"
PARITY = load_file(FIXTURES / "sampler_parity.safetensors")
CENTRES = PARITY["centres"].double()
VARIANCE = 0.05
SHAPE = (4, 8, 8)


def denoise(x: Tensor, sigma: Tensor) -> Tensor:
    """The mean of all clean latents that could be under `x` (n, 4, h, w); each row alone, in double precision.

    At another size than 8 x 8, the centres are the nearest of their pixels.
    """
    centres = CENTRES if x.shape[2:] == CENTRES.shape[2:] else interpolate(CENTRES, x.shape[2:], mode="nearest-exact")
    noise_variance = float(sigma) ** 2
    x64 = x.double()
    distances = (x64[:, None] - centres).square().flatten(2).sum(2)
    shares = torch.softmax(-distances / (2 * (noise_variance + VARIANCE)), dim=1)
    nearest = (shares[:, :, None, None, None] * centres).sum(1)
    return ((VARIANCE * x64 + noise_variance * nearest) / (VARIANCE + noise_variance)).float()


def sampled(entry: Entry, sigmas: Tensor, seeds: tuple[int, ...] = (1000,), model=denoise, step=None, **options):
    """What a sampler makes of the seeds' CPU noise: (n, 4, 8, 8)."""
    source = NoiseSource(seeds, source="CPU")
    x = source.starting(SHAPE) * sigmas[0]
    brownian = entry.facts.get("noise") == "brownian"
    noise = source.brownian(SHAPE, sigmas) if brownian else source.ancestral(SHAPE)
    return entry.function(model, x, sigmas, noise=noise, step=step or (lambda *told: None), **options)
