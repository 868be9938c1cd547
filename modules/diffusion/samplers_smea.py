"""Samplers that also ask about a smaller and a larger version of the picture (Koishi-Star's "Euler SMEA Dyn").

Both go Euler's way with as much churn as Karras et al. allow at every step. Early steps are done once more for a part
of the picture, for more structure: "Dy" for every other pixel in both directions, "SMEA" for all, enlarged by a
quarter. Names, order and numbers are those of the authors' sampler, which counts the level before the step in both.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from ..core.registry import sampler
from .stepping import Model, Noise, OnStep, level, nearest, toward

CHURN = math.sqrt(2)
ENLARGED = 1.25


@sampler("Euler Dy", aliases=("euler_dy",), noise="ancestral", other_sizes=True)
def euler_dy(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, s_noise: float = 1.0) -> Tensor:
    """The third and fourth step begin with a step of every other pixel."""
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        x, sigma = _churned(x, sigma, noise, s_noise)
        denoised = model(x, level(sigma))
        step(i, x, sigma, denoised)
        way = (x - denoised).mul_((after - sigma) / sigma)
        if after > 0 and i in (2, 3):
            x = _every_other(model, x, sigma, after)
        x = x + way
    return x


@sampler("Euler SMEA Dy", aliases=("euler_smea_dy",), noise="ancestral", other_sizes=True)
def euler_smea_dy(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, s_noise: float = 1.0
) -> Tensor:
    """The first step is done again enlarged, the second one for every other pixel."""
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        x, sigma = _churned(x, sigma, noise, s_noise)
        denoised = model(x, level(sigma))
        step(i, x, sigma, denoised)
        x = toward(denoised, x, sigma, after)
        if after > 0 and i == 0:
            x = _enlarged(model, x, sigma, after)
        elif after > 0 and i == 1:
            x = _every_other(model, x, sigma, after)
    return x


def _churned(x: Tensor, sigma: float, noise: Noise, s_noise: float) -> tuple[Tensor, float]:
    """The most churn there is; the noise is taken away instead of added, which to its distribution is the same."""
    raised = sigma * CHURN
    return torch.add(x, noise(sigma, sigma), alpha=-s_noise * math.sqrt(raised**2 - sigma**2)), raised


def _every_other(model: Model, x: Tensor, sigma: float, after: float) -> Tensor:
    """`x` with the last of every 2 x 2 pixels stepped, as a picture of a quarter of the size."""
    rows, columns = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    if not rows or not columns:
        return x
    small = x[..., 1:rows:2, 1:columns:2].contiguous()
    x = x.clone()
    x[..., 1:rows:2, 1:columns:2] = toward(model(small, level(sigma)), small, sigma, after)
    return x


def _enlarged(model: Model, x: Tensor, sigma: float, after: float) -> Tensor:
    """`x` stepped as a picture a quarter larger in both directions."""
    height, width = x.shape[2:]
    large = nearest(x, int(height * ENLARGED), int(width * ENLARGED))
    return nearest(toward(model(large, level(sigma)), large, sigma, after), height, width)
