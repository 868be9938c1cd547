"""Samplers that A1111 lacks and newer web UIs have, as those define them: IPNDM, IPNDM_V, HeunPP2, DDPM, TCD."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor

from ..core.registry import sampler
from .denoiser import ModelSigmas
from .samplers_euler import euler_ancestral, linear_multistep
from .samplers_timesteps import ADAMS_BASHFORTH
from .stepping import Model, Noise, OnStep, churned, level, toward


@sampler("IPNDM", aliases=("ipndm",))
def ipndm(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, order: int = 4) -> Tensor:
    """Adams-Bashforth with the weights of even steps, of `order` 1 to 4: Zhang and Chen 2022 (arXiv 2204.13902).

    A step to 0 is Euler's: the way there is nothing like the ones before.
    """
    earlier: list[Tensor] = []
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        if after == 0:
            return denoised
        known = [(x - denoised).div_(sigma), *earlier][:order]
        x = x.clone()
        for weight, derivative in zip(ADAMS_BASHFORTH[len(known) - 1], known, strict=True):
            x.add_(derivative, alpha=weight * (after - sigma))
        earlier = known[:3]
    return x


@sampler("IPNDM_V", aliases=("ipndm_v",))
def ipndm_v(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, order: int = 4) -> Tensor:
    """IPNDM with the weights of the steps as they are, which is LMS; but a step to 0 is Euler's, as there."""
    if sigmas[-1] > 0 or len(sigmas) < 3:
        return linear_multistep(model, x, sigmas, noise=noise, step=step, order=order)
    x = linear_multistep(model, x, sigmas[:-1], noise=noise, step=step, order=order)
    denoised = model(x, sigmas[-2])
    step(len(sigmas) - 2, x, sigmas[-2].item(), denoised)
    return denoised


@sampler("HeunPP2", aliases=("heunpp2",), model_calls=3, noise="ancestral")
def heunpp2(
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
    """Heun's method looking up to two steps ahead (Carzit, "sd-webui-samplers-scheduler", Heun++).

    A derivative ahead weighs its level over the highest one times the count of derivatives, the first one the rest: it
    counts less the lower the level. Two steps ahead where there are two, one for the last
    step but one, none for the last.
    """
    levels = sigmas.tolist()
    for i, (sigma, after) in enumerate(pairwise(levels)):
        x, sigma = churned(x, sigma, len(levels) - 1, noise, s_churn, s_tmin, s_tmax, s_noise)
        denoised = model(x, level(sigma))
        step(i, x, sigma, denoised)
        ahead = levels[i + 1 : -1][:2]
        x = x + _weighted_derivative(model, x, denoised, sigma, ahead, levels[0]) * (after - sigma)
    return x


def _weighted_derivative(
    model: Model, x: Tensor, denoised: Tensor, sigma: float, ahead: list[float], highest: float
) -> Tensor:
    """The derivative at `sigma` blended with those at the levels `ahead`, each reached by Euler's step."""
    first = (x - denoised).div_(sigma)
    mean = first.clone()
    for after in ahead:
        x = toward(denoised, x, sigma, after)
        denoised, sigma = model(x, level(after)), after
        mean.add_((x - denoised).div_(sigma).sub_(first), alpha=sigma / ((len(ahead) + 1) * highest))
    return mean


@sampler("DDPM", aliases=("ddpm",), noise="ancestral")
def ddpm(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep) -> Tensor:
    """Ho et al. 2020 (arXiv 2006.11239), algorithm 2, over any levels.

    Divided by alpha, its posterior's mean and variance are those of Euler a with eta 1.
    """
    return euler_ancestral(model, x, sigmas, noise=noise, step=step)


@sampler("TCD", aliases=("tcd",), default_schedule="SGM Uniform", noise="ancestral")
def tcd(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, gamma: float = 0.3, s_noise: float = 1.0
) -> Tensor:
    """Zheng et al. 2024, "Trajectory consistency distillation": algorithm 3, on x divided by alpha.

    `gamma` 0 to 1: how far beyond the next level each step jumps, in timesteps, to come back with new noise.
    """
    trained = ModelSigmas.scaled_linear()
    for i, (sigma, after) in enumerate(pairwise(sigmas.tolist())):
        denoised = model(x, sigmas[i])
        step(i, x, sigma, denoised)
        beyond = after
        if after > 0 and gamma > 0:
            timestep = math.floor((1 - gamma) * trained.timestep(after))
            beyond = min(after, trained.sigmas[timestep].item())
        x = toward(denoised, x, sigma, beyond)
        if after > beyond:
            x.add_(noise(sigma, after), alpha=s_noise * math.sqrt(after**2 - beyond**2))
    return x
