"""DPM-Solver++ (Lu et al. 2022, "DPM-Solver++", and its SDE forms): exact for the linear part of the equation.

With h = log(sigma / after), a step is x <- exp(-h) x + (1 - exp(-h)) D, where D stands for the denoised latents over
the whole step. The variants differ in how they find D and in the noise that they add.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from ..core.registry import sampler
from .stepping import Model, Noise, OnStep, ancestral_split, level, toward


@sampler("DPM++ 2M", aliases=("k_dpmpp_2m",), default_schedule="Karras")
def dpmpp_2m(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep) -> Tensor:
    """Second order with one model call a step: D is drawn on from the last two predictions."""
    earlier: Tensor | None = None
    h_last = 0.0
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        h = math.log(sigma / after) if after > 0 else math.inf
        drawn_on = denoised if earlier is None or after == 0 else torch.lerp(earlier, denoised, 1 + h / (2 * h_last))
        x = toward(drawn_on, x, sigma, after)
        earlier, h_last = denoised, h
    return x


@sampler("DPM++ SDE", aliases=("k_dpmpp_sde",), default_schedule="Karras", model_calls=2, noise="brownian")
def dpmpp_sde(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: Noise,
    step: OnStep,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
) -> Tensor:
    """Second order with two model calls a step, the other one at the part `r` of the way in log sigma."""
    # A Brownian path is rough: asked a millionth further on it answers something else. So the levels are taken through
    # the logarithm in single precision, as k-diffusion does, to ask at the very same points.
    times = sigmas[sigmas > 0].cpu().float().log().neg()
    between = (times[:-1] + (times[1:] - times[:-1]) * r).neg().exp().tolist()
    exact = times.neg().exp().tolist()
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        if after == 0:
            x = toward(denoised, x, sigma, after)
            continue
        middle = between[i]
        down, up = ancestral_split(sigma, middle, eta)
        x_middle = toward(denoised, x, sigma, down)
        if up > 0:
            x_middle.add_(noise(exact[i], middle), alpha=s_noise * up)
        there = model(x_middle, level(middle))
        down, up = ancestral_split(sigma, after, eta)
        x = toward(torch.lerp(denoised, there, 1 / (2 * r)), x, sigma, down)
        if up > 0:
            x.add_(noise(exact[i], exact[i + 1]), alpha=s_noise * up)
    return x


@sampler("DPM++ 2M SDE", aliases=("k_dpmpp_2m_sde",), default_schedule="Exponential", noise="brownian")
def dpmpp_2m_sde(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """DPM++ 2M for the stochastic equation, the change of D taken at the middle of the step."""
    return _two_step_sde(model, x, sigmas, noise, step, eta, s_noise, heun=False)


@sampler("DPM++ 2M SDE Heun", aliases=("k_dpmpp_2m_sde_heun",), default_schedule="Exponential", noise="brownian")
def dpmpp_2m_sde_heun(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """DPM++ 2M SDE with the change of D integrated exactly over the step."""
    return _two_step_sde(model, x, sigmas, noise, step, eta, s_noise, heun=True)


def _two_step_sde(
    model: Model, x: Tensor, sigmas: Tensor, noise: Noise, step: OnStep, eta: float, s_noise: float, *, heun: bool
) -> Tensor:
    earlier: Tensor | None = None
    h_last = 0.0
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        if after == 0:
            return denoised
        h = math.log(sigma / after)
        reach = h * (1 + eta)
        x = torch.lerp(denoised, x, math.exp(-reach))
        if earlier is not None:
            change = _phi_2(reach) if heun else -0.5 * math.expm1(-reach)
            x.add_(denoised - earlier, alpha=change * h / h_last)
        _add_sde_noise(x, noise, sigma, after, h, eta, s_noise)
        earlier, h_last = denoised, h
    return x


@sampler("DPM++ 2S a", aliases=("k_dpmpp_2s_a",), default_schedule="Karras", model_calls=2, noise="ancestral")
def dpmpp_2s_ancestral(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Second order with a second model call halfway in log sigma, and part of each step's noise renewed."""
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        down, up = ancestral_split(sigma, after, eta)
        if down > 0:
            middle = (sigma * down) ** 0.5
            denoised = model(toward(denoised, x, sigma, middle), level(middle))
        x = toward(denoised, x, sigma, down)
        if up > 0:
            x.add_(noise(sigma, after), alpha=s_noise * up)
    return x


@sampler(
    "DPM++ 3M SDE",
    aliases=("k_dpmpp_3m_sde",),
    default_schedule="Exponential",
    discard_penultimate=True,
    noise="brownian",
)
def dpmpp_3m_sde(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Third order with one model call a step: slope and curvature of D from the last three predictions."""
    earlier: list[tuple[Tensor, float]] = []
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        if after == 0:
            return denoised
        h = math.log(sigma / after)
        reach = h * (1 + eta)
        x = torch.lerp(denoised, x, math.exp(-reach))
        _add_curve(x, denoised, earlier, h, reach)
        _add_sde_noise(x, noise, sigma, after, h, eta, s_noise)
        earlier = [(denoised, h), *earlier[:1]]
    return x


def _add_curve(x: Tensor, denoised: Tensor, earlier: list[tuple[Tensor, float]], h: float, reach: float) -> None:
    """Adds what the change of the prediction over the step contributes; differences are divided ones, in units of h."""
    if not earlier:
        return
    last, h_1 = earlier[0]
    r_0 = h_1 / h
    slope = (denoised - last).div_(r_0)
    if len(earlier) == 1:
        x.add_(slope, alpha=_phi_2(reach))
        return
    before_last, h_2 = earlier[1]
    r_1 = h_2 / h
    bend = slope - (last - before_last).div_(r_1)
    phi_2 = _phi_2(reach)
    phi_3 = phi_2 / reach - 0.5
    x.add_(slope, alpha=phi_2).add_(bend, alpha=(phi_2 * r_0 - phi_3) / (r_0 + r_1))


def _phi_2(reach: float) -> float:
    """The integral of a slope over a step: 1 + (exp(-reach) - 1) / reach."""
    return 1 + math.expm1(-reach) / reach


def _add_sde_noise(x: Tensor, noise: Noise, sigma: float, after: float, h: float, eta: float, s_noise: float) -> None:
    if eta > 0:
        x.add_(noise(sigma, after), alpha=s_noise * after * math.sqrt(-math.expm1(-2 * h * eta)))
