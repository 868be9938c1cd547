"""Rules that change guidance. Each listens to the moments of a step (see `guidance.Step`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager

from torch import Tensor

from .denoiser import Conditioning
from .guidance import Step, joined

Denoiser = Callable[[Tensor, Tensor, Conditioning], Tensor]


class Skipping:
    """Leaves the negative prompt out of early calls, or below a noise level of every other one: A1111's two options."""

    def __init__(self, calls: int, *, early: float = 0.0, below: float = 0.0, all_steps: bool = False) -> None:
        """`calls`: how often the sampler will call in all. `early`: the share of them, 0 to 1. `below`: a sigma."""
        self._all, self._early, self._below, self._every = max(calls, 1), early, below, all_steps
        self._call = 0

    def guiding(self, step: Step) -> None:
        call, self._call = self._call, self._call + 1
        early = self._early > 0 and call / self._all <= self._early
        low = float(step.sigma) < self._below and (call % 2 == 1 or self._every)
        if early or low:
            step.scale = 1.0


class Rescaling:
    """Gives the guided prediction the deviation of the conditional one: Lin et al. 2023, equations 14 to 16.

    Of what the network predicts, noise or v, both being (k x - denoised) up to a factor.
    """

    def __init__(self, share: float, prediction: str) -> None:
        self._share, self._predicts_v = share, prediction == "v_prediction"

    def guided(self, step: Step) -> None:
        if step.uncond_denoised is None:
            return
        scaled = step.x / (1 + float(step.sigma) ** 2) if self._predicts_v else step.x
        plain, guided = scaled - step.cond_denoised[0], scaled - step.denoised
        ratio = _deviation(plain) / _deviation(guided)
        step.denoised = scaled - guided * (self._share * ratio + (1 - self._share))


def _deviation(prediction: Tensor) -> Tensor:
    return prediction.std(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)


class Projecting:
    """Adaptive projected guidance, Sadat et al. 2024, of one prompt: what only raises saturation is left out."""

    MOMENTUM, THRESHOLD = -0.5, 15.0  # the authors' values for Stable Diffusion

    def __init__(self) -> None:
        from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer

        self._momentum = MomentumBuffer(self.MOMENTUM)

    def guided(self, step: Step) -> None:
        from diffusers.guiders.adaptive_projected_guidance import normalized_guidance

        if step.uncond_denoised is None or len(step.conditionals) > 1:
            return
        step.denoised = normalized_guidance(
            step.cond_denoised[0],
            step.uncond_denoised,
            step.scale - 1,
            self._momentum,
            eta=0.0,
            norm_threshold=self.THRESHOLD,
            use_original_formulation=True,
        )


class Fitting:
    """CFG-Zero*, Fan et al. 2025, of one prompt: the negative's noise is scaled to fit the positive's best."""

    def guided(self, step: Step) -> None:
        from diffusers.guiders.classifier_free_zero_star_guidance import cfg_zero_star_scale

        if step.uncond_denoised is None or len(step.conditionals) > 1:
            return
        positive, negative = step.x - step.cond_denoised[0], step.x - step.uncond_denoised
        fit = cfg_zero_star_scale(positive.flatten(1), negative.flatten(1))[:, :, None, None]
        noise = (fit * negative).lerp(positive, step.scale)
        step.denoised = step.x - noise


class Perturbing:
    """Perturbed attention guidance, Ahn et al. 2024: away from what the network sees in a `perturbed` state."""

    def __init__(self, scale: float, denoiser: Denoiser, perturbed: Callable[[], AbstractContextManager[None]]) -> None:
        self._scale, self._denoiser, self._perturbed = scale, denoiser, perturbed

    def guided(self, step: Step) -> None:
        with self._perturbed():
            blind = self._denoiser(step.x, step.sigma, joined([step.conditionals[0].conditioning], len(step.x)))
        step.denoised = step.denoised + self._scale * (step.cond_denoised[0] - blind)


def expected_calls(levels: list[float], calls_a_step: int) -> int:
    """How often a sampler calls its model over these levels, as A1111 counts it."""
    return math.ceil((len(levels) - 1) * (2 if calls_a_step == 2 else 1))
