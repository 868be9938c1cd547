"""Each step several times, with new noise between: what is painted under a mask comes to fit what is kept around it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from torch import Tensor

from .denoiser import ModelSigmas
from .stepping import Model, Noise, OnStep

Sampler = Callable[..., Tensor]


def resampled(sampler: Sampler, times: int, trained: ModelSigmas) -> Sampler:
    """A sampler that does every step of `sampler` `times` times: Lugmayr et al. 2022, "RePaint", algorithm 1.

    After a step from one level to the next, noise takes x back up, and the step is done again. The last step, which
    ends the noise, is done once. A sampler that learns from earlier steps begins anew each time.
    """

    def repeating(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, **options: Any) -> Tensor:
        levels, done = sigmas.tolist(), 0
        for i, (sigma, after) in enumerate(pairwise(levels)):
            rounds = times if after > 0 else 1
            for again in reversed(range(rounds)):

                def told(_: int, x: Tensor, sigma: float, denoised: Tensor, at: int = done) -> None:
                    step(at, x, sigma, denoised)

                x = sampler(model, x, sigmas[i : i + 2], noise=noise, step=told, **options)
                done += 1
                if again:
                    x = trained.raised(x, noise(after, sigma), after, sigma)
        return x

    return repeating


def resampled_steps(sigmas: Tensor, times: int) -> int:
    """How many steps `resampled` does over these levels."""
    levels = sigmas.tolist()
    return sum(times if after > 0 else 1 for after in levels[1:])
