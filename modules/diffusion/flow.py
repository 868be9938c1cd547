"""Flow models (rectified flow: SD 3, FLUX): x = (1 - sigma) * latents + sigma * noise, with sigma from 1 down to 0.

Sigma is the noise's share. Samplers that only follow the derivative d = (x - denoised) / sigma, which here is the
velocity, take these levels as they are. Those that add noise, or go where another prediction points, are written for
x = latents + ratio * noise: for them `by_ratio` divides by 1 - sigma, so that their arithmetic stays what it is. Only
pure noise has no such ratio: the step from there is done here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..core.registry import Entry
from .denoiser import ModelSigmas
from .schedules import UNIFORM
from .stepping import Model, Noise, OnStep, level, toward

Sampler = Callable[..., Tensor]
SIMPLE = "Simple"
PURE = 0.9999  # above that share, x is taken for noise alone: there is ten thousand times more of it


class FlowSigmas(ModelSigmas):
    """The levels of a flow model: evenly spread times t in (0, 1], `shifted` toward noise.

    Between and beyond the trained ones every level may be visited.
    """

    limit = 1.0

    def __init__(self, shift: float = 1.0, timesteps: int = 1000, schedule: str = SIMPLE) -> None:
        """`shift`: above 0; 1 for none. `timesteps`: how many were trained. `schedule`: what stands for "Uniform"."""
        self.shift = shift
        self._schedule = schedule
        self.sigmas = shifted(torch.arange(1, timesteps + 1, dtype=torch.float64) / timesteps, shift).float()

    @property
    def sigma_min(self) -> float:
        """Where schedules over the whole range end. The shift counts twice, as in Stability AI's code and diffusers'"""
        return shifted(shifted(1 / len(self), self.shift), self.shift)

    def automatic(self, own: str) -> str:
        """Samplers that are content with even steps get those of the family. For others, which draw on in log sigma,
        all steps but the last must not be too unlike: "Simple", and not Karras, which spends few where most happens.
        """
        return self._schedule if own == UNIFORM else SIMPLE

    def alpha(self, sigma: float) -> float:
        return max(1.0 - sigma, 0.0)

    def ratio(self, sigma: float) -> float:
        return sigma / (1.0 - sigma) if sigma < 1 else math.inf

    def at_ratio(self, ratio: float) -> float:
        return ratio / (1.0 + ratio) if ratio < math.inf else 1.0

    def every(self, n: int) -> Tensor:
        return shifted(1 - torch.arange(n, dtype=torch.float64) / n, self.shift).float()

    def sigmas_at(self, timesteps: Tensor) -> Tensor:
        return shifted((timesteps.double() + 1) / len(self), self.shift).float()

    def timestep(self, sigma: float) -> float:
        sigma = min(sigma, self.limit)
        time = sigma / (self.shift - (self.shift - 1) * sigma)
        return min(max(time * len(self) - 1, 0.0), len(self) - 1.0)


def shifted(time: Any, shift: float) -> Any:
    """The share of noise at a time of 0 to 1 (a number or a tensor): Esser et al. 2024, equation 23."""
    return shift * time / (1 + (shift - 1) * time)


def counts_ratios(entry: Entry, options: Mapping[str, Any]) -> bool:
    """Whether a sampler must be given ratios: its fact `by_ratio` says so, or it draws noise with these options."""
    draws = bool(entry.facts.get("noise")) and options.get("s_churn", 1) > 0 and options.get("eta", 1) > 0
    return draws or bool(entry.facts.get("by_ratio"))


def fitted(entry: Entry, options: Mapping[str, Any], trained: ModelSigmas) -> Sampler:
    """The function of a sampler, for the levels of a model: as it is, but for what a flow model needs."""
    if not isinstance(trained, FlowSigmas):
        return entry.function
    function = by_ratio(entry.function, trained) if counts_ratios(entry, options) else entry.function
    return finished(function) if entry.facts.get("unfinished") else function


def finished(sampler: Sampler) -> Sampler:
    """A sampler that ends at the lowest level above 0, where a flow model's picture still is noisy, led on to 0."""

    def sample(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, **options: Any) -> Tensor:
        if sigmas[-1] > 0:
            return sampler(model, x, sigmas, noise=noise, step=step, **options)
        if len(sigmas) > 2:
            x = sampler(model, x, sigmas[:-1], noise=noise, step=step, **options)
        denoised = model(x, sigmas[-2])
        step(len(sigmas) - 2, x, sigmas[-2].item(), denoised)
        return denoised

    return sample


def by_ratio(sampler: Sampler, trained: FlowSigmas) -> Sampler:
    """A sampler for x = latents + ratio * noise, as one for a flow model.

    The step from pure noise, which has no ratio, is Euler's.
    """

    def sample(model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, **options: Any) -> Tensor:
        levels = sigmas.tolist()
        begun = int(levels[0] > PURE)
        if begun:
            denoised = model(x, sigmas[0])
            step(0, x, levels[0], denoised)
            x = toward(denoised, x, levels[0], levels[1])
        if levels[begun] == 0 or len(levels) - begun < 2:
            return x
        seen = _Rated(model, noise, step, trained, levels[begun:], begun)
        x = sampler(seen, x / trained.alpha(levels[begun]), seen.ratios, noise=seen.noise, step=seen.step, **options)
        return x * trained.alpha(levels[-1])

    return sample


class _Rated:
    """A flow model, its noise and whoever hears of its steps, for a sampler that counts ratios."""

    def __init__(
        self, model: Model, noise: Noise, step: OnStep, trained: FlowSigmas, levels: list[float], begun: int
    ) -> None:
        """`levels`: those that the sampler has still to do; `begun`: how many steps were done before."""
        self.ratios = torch.tensor([trained.ratio(sigma) for sigma in levels])
        # There and back through single precision, a level would come out as its neighbour: masks and prompts that
        # change on the way would take it for the step before.
        self._exactly = dict(zip(self.ratios.tolist(), levels, strict=True))
        self._model, self._noise, self._step, self._trained, self._begun = model, noise, step, trained, begun

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        share = self._share(float(sigma))
        return self._model(x * self._trained.alpha(share), level(share))

    @property
    def unconditional(self) -> Tensor | None:
        return getattr(self._model, "unconditional", None)

    def noise(self, ratio: float, ratio_next: float) -> Tensor:
        return self._noise(self._share(ratio), self._share(ratio_next))

    def step(self, index: int, x: Tensor, ratio: float, denoised: Tensor) -> None:
        share = self._share(ratio)
        self._step(index + self._begun, x * self._trained.alpha(share), share, denoised)

    def _share(self, ratio: float) -> float:
        return self._exactly.get(ratio, self._trained.at_ratio(ratio))
