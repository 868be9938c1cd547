"""How much noise a picture gets before it is painted over, counted in steps as A1111 does."""

from __future__ import annotations

import torch
from torch import Tensor

from .stepping import nearest

LEAST, MOST = 0.001, 0.999


def partial_steps(steps: int, strength: float, exactly: bool = False) -> tuple[int, int]:
    """(steps of the whole schedule, how many of its last ones are done) for a denoising strength of 0 to 1.

    Usually the whole schedule has `steps` steps and int(strength * steps) + 1 of them are done. `exactly`: `steps` are
    done, of a schedule so much longer.
    """
    if not exactly:
        return steps, int(min(strength, MOST) * steps) + 1
    return max(steps, int(steps / min(max(strength, LEAST), MOST))), steps


def last_steps(sigmas: Tensor, steps: int) -> Tensor:
    """The levels of the last `steps` steps of a schedule; all of it where it has fewer."""
    return sigmas[-(steps + 1) :]


class Keeping:
    """A denoiser that knows what must come out where the mask is 0: there, every prediction is the original.

    In terms of x this is RePaint's rule (Lugmayr et al. 2022, equation 8): what is kept follows the original, noised to
    each step's level, since samplers move x in a straight line to what was predicted.
    """

    def __init__(self, model: object, original: Tensor, mask: Tensor, sigmas: Tensor, *, soft: bool = False) -> None:
        """`original` (n or 1, c, h, w); `mask` (1, 1, h, w), 1 where the model paints. `soft`: greys are painted from a
        later step on, the darker the later (Levin and Fried 2023, "Differential diffusion").
        """
        self._model, self._original, self._mask = model, original, mask
        self._levels = sigmas[:-1].tolist()
        self._soft = soft
        self.unconditional: Tensor | None = None

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        level = float(sigma)
        denoised = self.kept(self._model(x, sigma), level)
        told = getattr(self._model, "unconditional", None)
        self.unconditional = None if told is None else self.kept(told, level)
        return denoised

    def kept(self, latents: Tensor, sigma: float = 0.0) -> Tensor:
        """Finished or predicted latents with the original in its place, as far as it is kept at this noise level.

        Latents of another size, which a sampler may ask about, are kept as the nearest ones of the original are.
        """
        original, painted = self._original, self._painted(sigma)
        if latents.shape[2:] != original.shape[2:]:
            original, painted = (nearest(one, *latents.shape[2:]) for one in (original, painted))
        return torch.lerp(original.expand_as(latents), latents, painted.expand_as(latents))

    def _painted(self, sigma: float) -> Tensor:
        """The mask at a noise level: itself, or where its grey is reached."""
        if not self._soft:
            return self._mask
        done = sum(level > sigma * (1 + 1e-6) for level in self._levels)
        gone = min(done, len(self._levels) - 1) / len(self._levels)
        return (self._mask > 1 - gone - 1 / len(self._levels)).to(self._mask.dtype)
