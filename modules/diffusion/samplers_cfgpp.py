"""CFG++ (Chung et al. 2024, "Manifold-constrained classifier free guidance"): the way on follows unconditional noise.

The guided prediction says where to, the unconditional one which noise is in the way. Such samplers want guidance of 0
to about 2: their fact `guidance_share` is what the CFG scale is multiplied with, A1111's 1 / 12.5, so that the usual
scales fit. After each call, `model.unconditional` holds the prediction for the negative prompt.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ..core.registry import sampler
from .stepping import Model, Noise, OnStep, ancestral_split

SHARE = 1 / 12.5
FACTS = {"guidance_share": SHARE, "wants_unconditional": True, "by_ratio": True}


@sampler("DDIM CFG++", aliases=("ddim_cfgpp",), default_schedule="DDIM", noise="ancestral", unit_variance=True, **FACTS)
def ddim_cfgpp(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, eta: float = 0.0, s_noise: float = 1.0
) -> Tensor:
    """DDIM's step to the guided prediction with the noise of the unconditional one: the paper's algorithm 2."""
    return _renoised(model, x, sigmas, noise, step, eta, s_noise)


@sampler("Euler CFG++", aliases=("euler_cfg_pp", "euler_cfgpp"), **FACTS)
def euler_cfgpp(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep) -> Tensor:
    """DDIM CFG++ without noise between steps, on any schedule, started as Euler is."""
    return _renoised(model, x, sigmas, noise, step, 0.0, 1.0)


def _renoised(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: OnStep, eta: float, s_noise: float
) -> Tensor:
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        down, up = ancestral_split(sigma, after, eta)
        x = torch.add(denoised, x - unconditional(model, denoised), alpha=down / sigma)
        if up > 0:
            x.add_(noise(sigma, after), alpha=s_noise * up)
    return x


@sampler("DPM++ 2M CFG++", aliases=("dpmpp_2m_cfg_pp", "dpmpp_2m_cfgpp"), default_schedule="Karras", **FACTS)
def dpmpp_2m_cfgpp(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep) -> Tensor:
    """DPM++ 2M likewise: x <- D + exp(-h) (x - U) + (1 - exp(-h)) (D - U_before) / 2r, as ComfyUI has it."""
    earlier: Tensor | None = None
    h_last = 0.0
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        told = unconditional(model, denoised)
        h = math.log(sigma / after) if after > 0 else math.inf
        x = torch.add(denoised, x - told, alpha=after / sigma)
        if earlier is not None and after > 0:
            x.add_(denoised - earlier, alpha=-math.expm1(-h) * h / (2 * h_last))
        earlier, h_last = told, h
    return x


def unconditional(model: Callable[..., Tensor], denoised: Tensor) -> Tensor:
    """What the model said of the negative prompt in its last call; of a model that has none, what it said."""
    told = getattr(model, "unconditional", None)
    return denoised if told is None else told
