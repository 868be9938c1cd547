"""What every sampler is made of: the types it is called with, and the arithmetic of one step.

With x = latents + sigma * noise, going from `sigma` to `after` along the straight line that the model's prediction
draws is `lerp(denoised, x, after / sigma)`. That is Euler's method, DDIM and first-order DPM-Solver++ at once; samplers
differ in what they put in the place of `denoised`, and in the noise they add. Levels are Python floats, read once from
the schedule on the CPU, so that no step waits for a device.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

Model = Callable[[Tensor, Tensor], Tensor]
"""`model(x, sigma)`: x (n, c, h, w), sigma 0-dim float32 on the CPU -> denoised latents of x's shape."""

Noise = Callable[[float, float], Tensor]
"""`noise(sigma, sigma_next)`: standard normal numbers of x's shape for the way between two levels."""

OnStep = Callable[[int, Tensor, float, Tensor], None]
"""`step(index, x, sigma, denoised)`: told after the first model call of each step; raises `Stopped` to end."""


def level(sigma: float) -> Tensor:
    """A noise level as models take it: 0-dim float32 on the CPU."""
    return torch.tensor(sigma, dtype=torch.float32)


def toward(denoised: Tensor, x: Tensor, sigma: float, after: float) -> Tensor:
    """`x` at `sigma` brought to the level `after` on the line through `denoised`. A new tensor."""
    return torch.lerp(denoised, x, after / sigma)


def nearest(latents: Tensor, height: int, width: int) -> Tensor:
    """`latents` (n, c, h, w) at another size, each one the nearest: for samplers that ask about smaller pictures."""
    if latents.shape[2:] == (height, width):
        return latents
    return interpolate(latents, size=(height, width), mode="nearest-exact")


def ancestral_split(sigma: float, after: float, eta: float) -> tuple[float, float]:
    """The level to step down to, and the noise to add there, so that `after` is met: (down, up).

    down^2 + up^2 = after^2. With eta 1 the noise is that of DDPM's posterior, with 0 there is none.
    """
    up = min(after, eta * math.sqrt(max(sigma**2 - after**2, 0.0)) * after / sigma)
    return math.sqrt(after**2 - up**2), up


def churned(
    x: Tensor, sigma: float, steps: int, noise: Noise, churn: float, lowest: float, highest: float, s_noise: float
) -> tuple[Tensor, float]:
    """`x` with some noise added, and its raised level: Karras et al. 2022, algorithm 2.

    `churn`: the noise over all `steps` together; only between the levels `lowest` and `highest` (0: no upper end).
    """
    if churn <= 0:
        return x, sigma
    fresh = noise(sigma, sigma)  # drawn outside of the window too: the window must not shift later draws
    if not lowest <= sigma <= (highest or math.inf):
        return x, sigma
    raised = sigma * (1 + min(churn / steps, math.sqrt(2) - 1))
    return torch.add(x, fresh, alpha=s_noise * math.sqrt(raised**2 - sigma**2)), raised
