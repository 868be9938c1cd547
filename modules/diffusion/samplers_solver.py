"""DPM-Solver (Lu et al. 2022, "DPM-Solver"): "fast", with a fixed number of model calls, and "adaptive".

Both choose their own levels between the highest and the lowest positive one of the schedule, evenly or as needed in
t = -log sigma, and end at that lowest level.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ..core.registry import sampler
from .stepping import Model, Noise, OnStep, ancestral_split, level, toward


@sampler("DPM fast", aliases=("k_dpm_fast",), noise="ancestral", unfinished=True)
def dpm_fast(
    model: Model, x: Tensor, sigmas: Tensor, *, noise: Noise, step: OnStep, eta: float = 0.0, s_noise: float = 1.0
) -> Tensor:
    """Third-order steps, then one or two of lower order, so that there is one model call for each step asked for."""
    highest, lowest = _ends(sigmas)
    calls = len(sigmas) - 1
    for i, (sigma, after, order) in enumerate(_fast_steps(highest, lowest, calls)):
        denoised = model(x, level(sigma))
        step(min(3 * i, calls - 1), x, sigma, denoised)
        down, up = _split_above(sigma, after, eta, lowest)
        x = _Stage(model, x, denoised, sigma, down).solved(order)
        if up > 0:
            x.add_(noise(sigma, after), alpha=s_noise * up)
    return x


def _fast_steps(highest: float, lowest: float, calls: int) -> Iterator[tuple[float, float, int]]:
    """(sigma, after, order) for each step: section 3.4 of the paper."""
    steps = calls // 3 + 1
    orders = [3] * (steps - 2) + [2, 1] if calls % 3 == 0 else [3] * (steps - 1) + [calls % 3]
    levels = [highest * (lowest / highest) ** (i / steps) for i in range(steps + 1)]
    return zip(levels, levels[1:], orders, strict=False)


@sampler(
    "DPM adaptive",
    aliases=("k_dpm_ad", "k_dpm_adaptive"),
    model_calls=3,
    endless=True,
    unfinished=True,
    noise="ancestral",
)
def dpm_adaptive(
    model: Model,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: Noise,
    step: OnStep,
    eta: float = 0.0,
    s_noise: float = 1.0,
    order: int = 3,
    rtol: float = 0.05,
    atol: float = 0.0078,
    h_init: float = 0.05,
) -> Tensor:
    """Steps as large as the difference between two orders allows: the paper's appendix C, with order 2 or 3.

    The number of steps asked for does not matter; `step` is told how much of the way is done, in as many parts. Reads
    the error of every step from the device.
    """
    highest, lowest = _ends(sigmas)
    parts = len(sigmas) - 1
    whole = math.log(highest / lowest)
    size = StepSize(h_init, order=1.5 if eta else order)
    sigma, accepted = highest, x
    while math.log(sigma / lowest) > 1e-5:
        after = max(lowest, sigma * math.exp(-size.h))
        denoised = model(x, level(sigma))
        step(int(parts * math.log(highest / sigma) / whole), x, sigma, denoised)
        down, up = _split_above(sigma, after, eta, lowest)
        stage = _Stage(model, x, denoised, sigma, down)
        coarse, fine = stage.solved(order - 1, r=1 / 3), stage.solved(order)
        allowed = (torch.maximum(coarse.abs(), accepted.abs()) * rtol).clamp_(min=atol)
        error = ((coarse - fine) / allowed).square().mean().sqrt().item()
        if size.accepts(error):
            accepted = coarse
            x = torch.add(fine, noise(sigma, after), alpha=s_noise * up) if up > 0 else fine
            sigma = after
    return x


class StepSize:
    """The next step's size from the error of the last: an integral controller (k-diffusion's PID with I alone)."""

    SAFETY = 0.81

    def __init__(self, h: float, order: float) -> None:
        self.h = h
        self._exponent = 1 / order

    def accepts(self, error: float) -> bool:
        """Sets the next size; says whether the step with this error (1 is just allowed) may stand."""
        factor = 1 + math.atan((1 / (error + 1e-8)) ** self._exponent - 1)
        self.h *= factor
        return factor >= self.SAFETY


class _Stage:
    """One step from `sigma` to `after`, solved to any order; the model calls of one order serve the next."""

    def __init__(self, model: Model, x: Tensor, denoised: Tensor, sigma: float, after: float) -> None:
        self.model, self.x, self.denoised = model, x, denoised
        self.sigma, self.after = sigma, after
        self.h = math.log(sigma / after)
        self.eps = (x - denoised).div_(sigma)
        self._changes: dict[float, Tensor] = {}

    def solved(self, order: int, r: float | None = None) -> Tensor:
        """x at `after`. `r`: where in the step the model is asked again (1/2 for order 2, 1/3 for order 3)."""
        straight = toward(self.denoised, self.x, self.sigma, self.after)
        if order == 1:
            return straight
        if order == 2:
            r = r or 1 / 2
            return straight.add_(self._change(r), alpha=(self.after - self.sigma) / (2 * r))
        return straight.add_(self._second_change(), alpha=-self.after * _bend(self.h) / (2 / 3))

    def _change(self, r: float) -> Tensor:
        """How eps differs at the part `r` of the way, reached on a straight line."""
        if r not in self._changes:
            middle = self.sigma * math.exp(-r * self.h)
            there = toward(self.denoised, self.x, self.sigma, middle)
            self._changes[r] = self._eps_at(there, middle) - self.eps
        return self._changes[r]

    def _second_change(self) -> Tensor:
        """How eps differs at 2/3 of the way, reached with the change at 1/3."""
        middle = self.sigma * math.exp(-self.h * 2 / 3)
        there = toward(self.denoised, self.x, self.sigma, middle)
        there.add_(self._change(1 / 3), alpha=-middle * 2 * _bend(self.h * 2 / 3))
        return self._eps_at(there, middle) - self.eps

    def _eps_at(self, x: Tensor, sigma: float) -> Tensor:
        return (x - self.model(x, level(sigma))).div_(sigma)


def _bend(h: float) -> float:
    """(exp(h) - 1) / h - 1, the weight of a change along a step of size h."""
    return math.expm1(h) / h - 1


def _ends(sigmas: Tensor) -> tuple[float, float]:
    positive = [sigma for sigma in sigmas.tolist() if sigma > 0]
    return max(positive), min(positive)


def _split_above(sigma: float, after: float, eta: float, lowest: float) -> tuple[float, float]:
    """`ancestral_split` that steps no further down than the lowest level."""
    down, _ = ancestral_split(sigma, after, eta)
    down = max(down, lowest)
    return down, math.sqrt(max(after**2 - down**2, 0.0))
