"""Samplers that step along the derivative d = (x - denoised) / sigma: Euler, Heun, DPM2, linear multistep, Restart."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ..core.registry import sampler
from .schedules import karras
from .stepping import Model, Noise, OnStep, ancestral_split, churned, level, toward


@sampler("Euler a", aliases=("k_euler_a", "k_euler_ancestral"), noise="ancestral")
def euler_ancestral(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Euler's method with part of each step's noise renewed: Karras et al. 2022's ODE, DDPM's noise."""
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        down, up = ancestral_split(sigma, after, eta)
        x = toward(denoised, x, sigma, down)
        if up > 0:
            x.add_(noise(sigma, after), alpha=s_noise * up)
    return x


@sampler("Euler", aliases=("k_euler",), noise="ancestral")
def euler(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: Noise,
    step: OnStep,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """Euler's method: Karras et al. 2022, algorithm 2 without the correction."""
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        x, sigma = churned(x, sigma, len(sigmas) - 1, noise, s_churn, s_tmin, s_tmax, s_noise)
        denoised = model(x, level(sigma))
        step(i, x, sigma, denoised)
        x = toward(denoised, x, sigma, after)
    return x


LMS_ORDER = 4
GAUSS = tuple(zip(*(values.tolist() for values in np.polynomial.legendre.leggauss(LMS_ORDER)), strict=True))
"""Nodes and weights of Gauss-Legendre quadrature on -1 .. 1, exact up to degree 7."""


@sampler("LMS", aliases=("k_lms",))
def linear_multistep(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, order: int = LMS_ORDER
) -> Tensor:
    """Adams-Bashforth over unequal steps: the last `order` (1 to 8) derivatives' polynomial, integrated."""
    levels = sigmas.tolist()
    derivatives: list[Tensor] = []
    for i, sigma in enumerate(levels[:-1]):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        derivatives = [(x - denoised).div_(sigma), *derivatives[: order - 1]]
        seen = levels[i - len(derivatives) + 1 : i + 1][::-1]
        x = x.clone()
        for weight, derivative in zip(adams_weights(seen, levels[i + 1]), derivatives, strict=True):
            x.add_(derivative, alpha=weight)
    return x


def adams_weights(seen: list[float], after: float) -> list[float]:
    """For values at the levels `seen` (latest first), the weights of their polynomial's integral to `after`.

    Gauss-Legendre quadrature, exact for polynomials up to degree 7, so for the last 8 derivatives.
    """
    half = (after - seen[0]) / 2
    weights = []
    for j, here in enumerate(seen):
        others = [other for k, other in enumerate(seen) if k != j]
        basis = [math.prod((seen[0] + half * (1 + node) - o) / (here - o) for o in others) for node, _ in GAUSS]
        weights.append(half * sum(share * value for (_, share), value in zip(GAUSS, basis, strict=True)))
    return weights


@sampler("Heun", aliases=("k_heun",), model_calls=2, noise="ancestral")
def heun(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: Noise,
    step: OnStep,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """Heun's method, the mean of the derivatives at both ends of a step: Karras et al. 2022, algorithm 2."""
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        x, sigma = churned(x, sigma, len(sigmas) - 1, noise, s_churn, s_tmin, s_tmax, s_noise)
        denoised = model(x, level(sigma))
        step(i, x, sigma, denoised)
        x = heun_step(model, x, denoised, sigma, after)
    return x


def heun_step(model: Model, x: Tensor, denoised: Tensor, sigma: float, after: float) -> Tensor:
    """`x` from `sigma` to `after`; the last step, to 0, is Euler's, as there is no derivative at 0."""
    predicted = toward(denoised, x, sigma, after)
    if after == 0:
        return predicted
    there = model(predicted, level(after))
    # d = (x - denoised) / sigma at both ends, times half of the way
    half = (after - sigma) / 2
    x = torch.add(x, x - denoised, alpha=half / sigma)
    return x.add_(predicted - there, alpha=half / after)


@sampler(
    "DPM2", aliases=("k_dpm_2",), default_schedule="Karras", discard_penultimate=True, model_calls=2, noise="ancestral"
)
def dpm_2(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: Noise,
    step: OnStep,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """The midpoint method, with the middle in log sigma: DPM-Solver-2 (Lu et al. 2022) with Karras et al.'s churn."""
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        x, sigma = churned(x, sigma, len(sigmas) - 1, noise, s_churn, s_tmin, s_tmax, s_noise)
        denoised = model(x, level(sigma))
        step(i, x, sigma, denoised)
        x = midpoint_step(model, x, denoised, sigma, after)
    return x


@sampler(
    "DPM2 a",
    aliases=("k_dpm_2_a", "k_dpm_2_ancestral"),
    default_schedule="Karras",
    discard_penultimate=True,
    model_calls=2,
    noise="ancestral",
)
def dpm_2_ancestral(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """DPM2 with part of each step's noise renewed."""
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        down, up = ancestral_split(sigma, after, eta)
        x = midpoint_step(model, x, denoised, sigma, down)
        if up > 0:
            x.add_(noise(sigma, after), alpha=s_noise * up)
    return x


def midpoint_step(model: Model, x: Tensor, denoised: Tensor, sigma: float, after: float) -> Tensor:
    """`x` from `sigma` to `after` along the derivative at their geometric mean; to 0, along the one at `sigma`."""
    if after == 0:
        return toward(denoised, x, sigma, after)
    middle = (sigma * after) ** 0.5
    between = toward(denoised, x, sigma, middle)
    there = model(between, level(middle))
    return torch.add(x, between - there, alpha=(after - sigma) / middle)


@sampler("Restart", aliases=("restart",), default_schedule="Karras", model_calls=2, noise="ancestral")
def restart(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, s_noise: float = 1.0) -> Tensor:
    """Heun's method that goes back up with fresh noise near the end: Xu et al. 2023, "Restart sampling"."""
    reached = 0.0
    for i, (sigma, after) in enumerate(restart_steps(sigmas.tolist())):
        if 0 < reached < sigma:
            x = torch.add(x, noise(reached, sigma), alpha=s_noise * math.sqrt(sigma**2 - reached**2))
        denoised = model(x, level(sigma))
        step(i, x, sigma, denoised)
        x = heun_step(model, x, denoised, sigma, after)
        reached = after
    return x


RESTART_AT, RESTART_FROM = 0.1, 2.0


def restart_steps(levels: list[float]) -> list[tuple[float, float]]:
    """(sigma, after) for each step. From 20 steps on, some are spent on going once more from about 2 to about 0.1.

    The rest then follow Karras et al.'s schedule; from 36 on it is twice, with a quarter of the steps each. The number
    of steps stays. Numbers as in A1111.
    """
    steps = len(levels) - 1
    if steps < 20:
        return list(pairwise(levels))
    again, times = (steps // 4, 2) if steps >= 36 else (9, 1)
    lowest = min(sigma for sigma in levels if sigma > 0)
    main = karras(steps - again * times, lowest, levels[0]).tolist()
    bottom = min(range(len(main)), key=lambda i: abs(main[i] - RESTART_AT))
    top = min(range(len(main)), key=lambda i: abs(main[i] - RESTART_FROM))
    if top >= bottom:
        return list(pairwise(levels))
    loop = list(pairwise(karras(again + 1, main[bottom], main[top]).tolist()[:-1]))
    pairs = list(pairwise(main))
    return pairs[:bottom] + loop * times + pairs[bottom:]
