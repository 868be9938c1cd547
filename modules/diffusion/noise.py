"""The noise of a batch: one generator for each picture, so that a batch of four equals four singles.

A1111's rules: the starting noise is each generator's first draw; samplers that add noise between steps draw on from the
same generators; variations, resized seeds and the eta seed delta change the first draw or what follows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UserError
from .brownian import BrownianTree
from .philox import PhiloxGenerator

Shape = tuple[int, int, int]
Noise = Callable[[float, float], Tensor]

SOURCES = ("NV", "CPU", "GPU")
NEARLY_PARALLEL = 0.9995


@dataclass(frozen=True)
class Variation:
    """A second seed for each picture, and how far to go from the first noise to the second's, 0 to 1."""

    subseeds: tuple[int, ...]
    strength: float


class TorchGenerator:
    """PyTorch's own generator on a device ("cpu" numbers are the same on every machine)."""

    def __init__(self, seed: int, device: str = "cpu") -> None:
        self._generator = torch.Generator(device).manual_seed(seed)

    def randn(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._generator, device=self._generator.device)


class NoiseSource:
    """All noise of one batch, on `device`."""

    def __init__(
        self,
        seeds: Sequence[int],
        *,
        source: str = "NV",
        device: str | torch.device = "cpu",
        variation: Variation | None = None,
        resize_from: tuple[int, int] | None = None,
        eta_seed_delta: int = 0,
    ) -> None:
        """`seeds`: one for each picture, from 0 to 2^64 - 1.

        `source`: "NV" (a CUDA device's numbers on any machine), "CPU" (PyTorch's) or "GPU" (the device's own).
        `resize_from`: height and width in latent pixels of the picture whose noise to keep in the centre.
        `eta_seed_delta`: added to the seeds for the noise between steps (A1111's ENSD); 0 draws on from the same
        generators. Raises UserError for an unknown source.
        """
        if source not in SOURCES:
            raise UserError(f"There is no noise source called {source!r}.", hint=f"There are: {', '.join(SOURCES)}.")
        self._seeds = tuple(seeds)
        self._source = source
        self._device = torch.device(device)
        self._variation = variation
        self._resize_from = resize_from
        self._eta_seed_delta = eta_seed_delta
        self._generators = [self._generator(seed) for seed in self._seeds]

    def starting(self, shape: Shape) -> Tensor:
        """Standard normal noise (n, c, h, w) for `shape` (c, h, w). To be drawn once, before any ancestral noise."""
        drawn = [self._first(index, shape) for index in range(len(self._seeds))]
        if self._eta_seed_delta:
            self._generators = [self._generator(seed + self._eta_seed_delta) for seed in self._seeds]
        return torch.stack(drawn).to(self._device)

    def ancestral(self, shape: Shape) -> Noise:
        """`noise(sigma, sigma_next)` giving fresh normal noise (n, c, h, w), each row from its picture's generator."""

        def draw(sigma: float, sigma_next: float) -> Tensor:
            return torch.stack([generator.randn(shape) for generator in self._generators]).to(self._device)

        return draw

    def brownian(self, shape: Shape, sigmas: Sequence[float] | Tensor) -> Noise:
        """`noise(sigma, sigma_next)` giving the scaled rise of a Brownian path between two levels, (n, c, h, w).

        One path for each picture, over the lowest positive to the highest of `sigmas`. Variance 1 for every pair.
        """
        levels = [float(sigma) for sigma in sigmas if sigma > 0]
        trees = [BrownianTree(min(levels), max(levels), seed, self._draw_for(shape)) for seed in self._seeds]

        def rise(sigma: float, sigma_next: float) -> Tensor:
            low, high = sorted((sigma, sigma_next))
            sign = 1.0 if sigma < sigma_next else -1.0
            rises = torch.stack([tree(low, high) for tree in trees]) * (sign / math.sqrt(high - low))
            return rises.to(self._device)

        return rise

    def _generator(self, seed: int) -> PhiloxGenerator | TorchGenerator:
        if self._source == "NV":
            return PhiloxGenerator(seed)
        return TorchGenerator(seed, str(self._device) if self._source == "GPU" else "cpu")

    def _draw_for(self, shape: Shape) -> Callable[[int], Tensor]:
        return lambda seed: self._generator(seed).randn(shape)

    def _first(self, index: int, shape: Shape) -> Tensor:
        """The starting noise (c, h, w) of one picture."""
        own_shape = (shape[0], *self._resize_from) if self._resize_from else shape
        if own_shape == shape:
            return self._varied(index, self._generators[index].randn(shape))
        kept = self._varied(index, self._generator(self._seeds[index]).randn(own_shape))
        return pasted_centred(self._generators[index].randn(shape), kept)

    def _varied(self, index: int, noise: Tensor) -> Tensor:
        if self._variation is None or self._variation.strength == 0:
            return noise
        other = self._generator(self._variation.subseeds[index]).randn(tuple(noise.shape))
        return slerp(self._variation.strength, noise, other)


def slerp(amount: float, low: Tensor, high: Tensor) -> Tensor:
    """From `low` (c, h, w) at amount 0 to `high` at 1 along an arc, column by column as A1111 does.

    Nearly parallel noise (mean dot product above 0.9995) is blended linearly.
    """
    dot = (low / low.norm(dim=1, keepdim=True) * (high / high.norm(dim=1, keepdim=True))).sum(1, keepdim=True)
    if dot.mean() > NEARLY_PARALLEL:
        return torch.lerp(low, high, amount)
    angle = torch.acos(dot)
    return (torch.sin((1 - amount) * angle) * low + torch.sin(amount * angle) * high) / torch.sin(angle)


def pasted_centred(canvas: Tensor, patch: Tensor) -> Tensor:
    """`canvas` (c, H, W) with `patch` (c, h, w) in its centre, cropped where it is the larger."""
    result = canvas.clone()
    rows, columns = (_overlap(canvas.shape[axis], patch.shape[axis]) for axis in (1, 2))
    result[:, rows[0], columns[0]] = patch[:, rows[1], columns[1]]
    return result


def _overlap(outer: int, inner: int) -> tuple[slice, slice]:
    """Where a centred piece of length `inner` lies in one of length `outer`, and which part of it."""
    offset = (outer - inner) // 2
    start, skipped = max(offset, 0), max(-offset, 0)
    length = inner if offset >= 0 else inner + 2 * offset
    return slice(start, start + length), slice(skipped, skipped + length)
