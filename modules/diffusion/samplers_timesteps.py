"""Samplers that were written for a network's own timesteps, here in sigma: DDIM, PLMS, UniPC, LCM.

Their fact `unit_variance` says that txt2img starts them with noise * sqrt(alpha^2 + sigma^2), alpha being 1 but for
flow models, as the process that they were written for does, and not with noise * sigma (see `starting_scale`).
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ..core.registry import Entry, sampler
from .stepping import Model, Noise, OnStep, ancestral_split, toward


def starting_scale(sampler: Entry, sigma: float, alpha: float = 1.0) -> float:
    """What standard normal noise is multiplied with to start a sampler at `sigma` from nothing else."""
    return math.hypot(alpha, sigma) if sampler.facts.get("unit_variance") else sigma


@sampler("DDIM", aliases=("ddim",), default_schedule="DDIM", noise="ancestral", unit_variance=True)
def ddim(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, eta: float = 0.0, s_noise: float = 1.0
) -> Tensor:
    """Song et al. 2020, equation 12. Divided by alpha it is Euler's step, and for eta above 0 Euler a's."""
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        down, up = ancestral_split(sigma, after, eta)
        x = toward(denoised, x, sigma, down)
        if up > 0:
            x.add_(noise(sigma, after), alpha=s_noise * up)
    return x


ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


@sampler("PLMS", aliases=("plms",), default_schedule="DDIM", unit_variance=True)
def plms(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep) -> Tensor:
    """DDIM's step with the last four eps, as if evenly spaced: Liu et al. 2022, "Pseudo numerical methods".

    The first step calls the model twice, to have the mean of both ends.
    """
    earlier: list[Tensor] = []
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        eps = (x - denoised).div_(sigma)
        known = [eps, *earlier]
        if not earlier and after > 0:
            there = torch.add(x, eps, alpha=after - sigma)
            known_there = (there - model(there, sigmas[i + 1])).div_(after)
            mean = torch.lerp(eps, known_there, 0.5)
        else:
            mean = sum(weight * one for weight, one in zip(ADAMS_BASHFORTH[len(known) - 1], known, strict=True))
        x = torch.add(x, mean, alpha=after - sigma)
        earlier = known[:3]
    return x


@sampler("UniPC", aliases=("unipc",), unit_variance=True)
def unipc(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, order: int = 3) -> Tensor:
    """Zhao et al. 2023, "UniPC", multistep, B(h) = h ("bh1"), on the denoised latents; lower order at both ends.

    Each model call at a new level also corrects the step that led there.
    """
    levels = sigmas.tolist()
    positive = sum(sigma > 0 for sigma in levels)
    history: list[tuple[float, Tensor]] = []
    before = x
    for i, (sigma, after) in enumerate(pairwise(levels)):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        if history:
            x = unipc_step(before, history, sigma, corrected=denoised)
        history = [(sigma, denoised), *history][: max(1, min(order, positive - 1 - i))]
        before = x
        x = unipc_step(x, history, after)
    return x


def unipc_step(x: Tensor, history: list[tuple[float, Tensor]], after: float, corrected: Tensor | None = None) -> Tensor:
    """`x` from the latest level of `history` (latest first: sigma, denoised) to `after`.

    Without `corrected` the predictor (UniP); with the denoised latents at `after` the corrector (UniC).
    """
    sigma, denoised = history[0]
    x = toward(denoised, x, sigma, after)
    if after == 0 or (corrected is None and len(history) == 1):
        return x
    h = math.log(sigma / after)
    others = [(math.log(sigma / other) / h, (value - denoised)) for other, value in history[1:]]
    if corrected is not None:
        others.append((1.0, corrected - denoised))
    for weight, (place, change) in zip(unipc_weights([place for place, _ in others], h), others, strict=True):
        x = torch.add(x, change, alpha=weight / place)
    return x


def unipc_weights(places: list[float], h: float) -> list[float]:
    """The weights of the divided differences at `places` (in units of h), for data prediction.

    They solve sum_k weight_k * place_k^n = h * n! * phi_(n+2)(-h), equation 7; a single one is h / 2, as the authors'
    code has it.
    """
    if len(places) == 1:
        return [h / 2]
    moments, phi, factorial = [], math.expm1(-h) / -h, 1
    for n in range(1, len(places) + 1):
        factorial *= n
        phi = (phi - 1 / factorial) / -h
        moments.append(phi * factorial * h)
    return np.linalg.solve(np.vander(places, increasing=True).T, moments).tolist()


@sampler("LCM", aliases=("k_lcm", "lcm"), noise="ancestral")
def lcm(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep) -> Tensor:
    """Jump to the denoised latents and add fresh noise: Luo et al. 2023, "Latent consistency models"."""
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        x = torch.add(denoised, noise(sigma, after), alpha=after) if after > 0 else denoised
    return x
