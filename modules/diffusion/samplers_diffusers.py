"""diffusers' schedulers as samplers. `adapted` makes one of any scheduler whose `step` gives `prev_sample`."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..core.registry import sampler
from .denoiser import ModelSigmas
from .stepping import Model, Noise, OnStep

TRAINED = ModelSigmas.scaled_linear()
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def adapted(scheduler: Any, *, stochastic: bool = False) -> Callable[..., Tensor]:
    """A sampler that goes the steps of a new diffusers scheduler, which predicts noise, over any levels.

    Schedulers see latents of unit variance. A stochastic one draws from a generator for each picture, whose seed is
    read from the first noise that the picture's own source gives, so that a batch still equals its singles.
    """

    def sample(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep) -> Tensor:
        levels = sigmas.tolist()
        scheduler.set_timesteps(len(levels) - 1)
        scheduler.sigmas = sigmas
        scheduler.timesteps = torch.tensor([TRAINED.timestep(sigma) for sigma in levels[:-1]])
        scheduler.set_begin_index(0)
        draws = {"generator": _generators(noise(levels[0], levels[0]))} if stochastic else {}
        scaled = x / math.hypot(1.0, levels[0])
        for i, (sigma, after) in enumerate(pairwise(levels)):
            x = scaled * math.hypot(1.0, sigma)
            denoised = model(x, sigmas[i])
            step(i, x, sigma, denoised)
            if after == 0:
                return denoised
            scaled = scheduler.step((x - denoised).div_(sigma), scheduler.timesteps[i], scaled, **draws).prev_sample
        return scaled * math.hypot(1.0, levels[-1])

    return sample


def _generators(noise: Tensor) -> list[torch.Generator]:
    """A generator on the CPU for each row, seeded by the bits of its first two numbers."""
    seeds = noise.flatten(1)[:, :2].cpu().contiguous().view(torch.int64)[:, 0].tolist()
    return [torch.Generator().manual_seed(seed & (2**63 - 1)) for seed in seeds]


@sampler("DEIS", aliases=("deis",))
def deis(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, order: int = 3) -> Tensor:
    """Zhang and Chen 2022 (arXiv 2204.13902), multistep of `order` 1 to 3, the polynomial in log sigma."""
    from diffusers import DEISMultistepScheduler

    scheduler = DEISMultistepScheduler(**BETAS, solver_order=order)
    return adapted(scheduler)(model, x, sigmas, noise=noise, step=step)


@sampler("SA-Solver", aliases=("sa_solver",), default_schedule="Karras", noise="ancestral")
def sa_solver(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, order: int = 2, tau: float = 1.0
) -> Tensor:
    """Xue et al. 2023 (arXiv 2309.05019), stochastic Adams, predictor and corrector of `order` 1 to 3.

    `tau`: how much noise is renewed, 0 for none; between the timesteps 200 and 800, as its authors advise.
    """
    from diffusers import SASolverScheduler

    scheduler = SASolverScheduler(
        **BETAS,
        predictor_order=order,
        corrector_order=order,
        tau_func=lambda timestep: tau if 200 <= timestep <= 800 else 0.0,
    )
    return adapted(scheduler, stochastic=True)(model, x, sigmas, noise=noise, step=step)
