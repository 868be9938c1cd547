"""Classifier-free guidance: what the samplers call as `model(x, sigma)`.

denoised = uncond + sum_i(weight_i * scale * (cond_i - uncond)), Ho and Salimans 2022; several conditionals are the
composition of Liu et al. 2022 (the word AND in a prompt).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .denoiser import Conditioning

Denoiser = Callable[[Tensor, Tensor, Conditioning], Tensor]


@dataclass(frozen=True)
class Conditional:
    """What to steer toward, and how strongly beside others.

    `conditioning` is a tensor with one row for each picture, or one row for all; or such tensors by name.
    """

    conditioning: Conditioning
    weight: float | Tensor = 1.0
    """A number, or one for each picture, shape (n, 1, 1, 1)."""


@dataclass(frozen=True)
class Turn:
    """What to steer toward, and what away from, from call `first` of the model on, counted from 0."""

    first: int
    conditionals: Sequence[Conditional]
    unconditional: Conditioning


@dataclass
class Step:
    """One call of the model, as listeners see it. Fields that a listener changes are what happens next."""

    x: Tensor
    """Noisy latents (n, c, h, w)."""
    sigma: Tensor
    """Their noise level, 0-dim."""
    index: int
    """Which step of the schedule this is, from 0. A sampler may call the model more than once in a step."""
    conditionals: list[Conditional]
    unconditional: Conditioning
    scale: float
    cond_denoised: list[Tensor] = field(default_factory=list)
    """One prediction for each conditional, (n, c, h, w) each; from the moment `predicted` on."""
    uncond_denoised: Tensor | None = None
    """The prediction for the negative prompt; None when it has no share in the result."""
    denoised: Tensor | None = None
    """The guided prediction; from the moment `guided` on."""


Listener = Callable[[Step], None]


class Guidance:
    """A denoiser steered by prompts. Runs the conditionals and the unconditional as one batch when they fit."""

    def __init__(
        self,
        denoiser: Denoiser,
        conditionals: Sequence[Conditional],
        unconditional: Conditioning,
        scale: float,
        sigmas: Sequence[float] = (),
        *,
        later: Sequence[Turn] = (),
        calls: int = 0,
        guiding: Listener | None = None,
        predicted: Listener | None = None,
        guided: Listener | None = None,
        unconditional_always: bool = False,
    ) -> None:
        """`sigmas` are the levels of the schedule, from which a step's index is told; only listeners need them. `later`
        is what takes the place of `conditionals` and `unconditional`, in order of time; `calls` were made before.

        The listeners are called before the network runs, with its predictions, and with the result. Where there is
        none, no `Step` is made. `unconditional_always`: the negative prompt is predicted even where it has no share in
        the result, and `unconditional` holds it after each call, for samplers that want it.
        """
        self._denoiser = denoiser
        self._conditionals = list(conditionals)
        self._unconditional = unconditional
        self._scale = scale
        self._descending = [-float(sigma) for sigma in sigmas]
        self.hear(guiding=guiding, predicted=predicted, guided=guided)
        self._joined: tuple[int, Conditioning | None] | None = None
        self.calls, self._later = calls, list(reversed(later))
        self._always = unconditional_always
        self.unconditional: Tensor | None = None

    def hear(
        self, *, guiding: Listener | None = None, predicted: Listener | None = None, guided: Listener | None = None
    ) -> None:
        """Has these listeners, and no others, from the next call on."""
        self._guiding, self._predicted, self._guided = guiding, predicted, guided
        self._listened = any((guiding, predicted, guided))

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoised latents of x's shape (n, c, h, w), at the 0-dim noise level `sigma`."""
        while self._later and self._later[-1].first <= self.calls:
            turn, self._joined = self._later.pop(), None
            self._conditionals, self._unconditional = list(turn.conditionals), turn.unconditional
        self.calls += 1
        if self._listened:
            return self._heard(x, sigma)
        wanted = self._wanted(self._conditionals, self._unconditional, self._scale)
        if self._joined is None or self._joined[0] != len(x):
            self._joined = (len(x), joined(wanted, len(x)))
        predictions = self._predict(x, sigma, wanted, self._joined[1])
        conditional, self.unconditional = split(predictions, len(self._conditionals))
        return combined(self._conditionals, self._scale, conditional, self.unconditional)

    def _heard(self, x: Tensor, sigma: Tensor) -> Tensor:
        step = Step(x, sigma, self._index(float(sigma)), list(self._conditionals), self._unconditional, self._scale)
        _tell(self._guiding, step)
        wanted = self._wanted(step.conditionals, step.unconditional, step.scale)
        predictions = self._predict(step.x, step.sigma, wanted, joined(wanted, len(step.x)))
        step.cond_denoised, step.uncond_denoised = split(predictions, len(step.conditionals))
        _tell(self._predicted, step)
        self.unconditional = step.uncond_denoised
        step.denoised = combined(step.conditionals, step.scale, step.cond_denoised, step.uncond_denoised)
        _tell(self._guided, step)
        return step.denoised

    def _wanted(self, conditionals: list[Conditional], unconditional: Conditioning, scale: float) -> list[Conditioning]:
        """The conditionings to run: the negative prompt only when it has a share in the result, so not at CFG 1."""
        wanted = [conditional.conditioning for conditional in conditionals]
        left_out = not torch.as_tensor(unconditional_share(conditionals, scale)).any() and not self._always
        return wanted if left_out else [*wanted, unconditional]

    def _predict(
        self, x: Tensor, sigma: Tensor, wanted: list[Conditioning], joined_conditioning: Conditioning | None
    ) -> list[Tensor]:
        """One denoised (n, c, h, w) for each of `wanted`, in one call of the network when they could be joined."""
        if joined_conditioning is None:
            return [self._denoiser(x, sigma, joined([one], len(x))) for one in wanted]
        rows = x if len(wanted) == 1 else x.repeat(len(wanted), *[1] * (x.ndim - 1))
        return list(self._denoiser(rows, sigma, joined_conditioning).split(len(x)))

    def _index(self, sigma: float) -> int:
        """The step in which `sigma` lies: 0 at the first level and for anything above it."""
        at_or_below = bisect_left(self._descending, -sigma)
        reached = at_or_below < len(self._descending) and self._descending[at_or_below] == -sigma
        return max(at_or_below if reached else at_or_below - 1, 0)


def unconditional_share(conditionals: Sequence[Conditional], scale: float) -> float | Tensor:
    """How much of the unconditional prediction is in the result: 1 - scale * (sum of weights), maybe by picture."""
    return 1 - scale * sum(conditional.weight for conditional in conditionals)


def combined(
    conditionals: Sequence[Conditional], scale: float, cond_denoised: list[Tensor], uncond_denoised: Tensor | None
) -> Tensor:
    """The guided prediction. `uncond_denoised` may be None when its share is 0."""
    factors = [scale * conditional.weight for conditional in conditionals]
    if any(isinstance(factor, Tensor) for factor in factors):
        return _combined_by_picture(factors, cond_denoised, uncond_denoised)
    if uncond_denoised is not None and len(factors) == 1:
        return torch.lerp(uncond_denoised, cond_denoised[0], factors[0])
    if len(factors) == 1:
        return cond_denoised[0]
    share = unconditional_share(conditionals, scale)
    result = uncond_denoised * share if uncond_denoised is not None else torch.zeros_like(cond_denoised[0])
    for factor, denoised in zip(factors, cond_denoised, strict=True):
        result = torch.add(result, denoised, alpha=factor)
    return result


def _combined_by_picture(
    factors: Sequence[float | Tensor], cond_denoised: list[Tensor], uncond_denoised: Tensor | None
) -> Tensor:
    """The same where a factor is one for each picture, (n, 1, 1, 1)."""
    base = torch.zeros_like(cond_denoised[0]) if uncond_denoised is None else uncond_denoised
    return base + sum(factor * (one - base) for factor, one in zip(factors, cond_denoised, strict=True))


def split(predictions: list[Tensor], conditionals: int) -> tuple[list[Tensor], Tensor | None]:
    """The predictions of the conditionals, and the unconditional's if there is one more."""
    return predictions[:conditionals], predictions[conditionals] if len(predictions) > conditionals else None


def joined(conditionings: Sequence[Conditioning], rows: int) -> Conditioning | None:
    """All conditionings one below the other, each brought to `rows` rows; None when their shapes do not allow it.

    A single conditioning always can be.
    """
    if isinstance(conditionings[0], Mapping):
        names = conditionings[0].keys()
        if any(one.keys() != names for one in conditionings):
            return None
        columns = {name: _stacked([one[name] for one in conditionings], rows) for name in names}
        return None if any(column is None for column in columns.values()) else columns
    return _stacked(conditionings, rows)


def _stacked(tensors: Sequence[Tensor], rows: int) -> Tensor | None:
    if any(tensor.shape[1:] != tensors[0].shape[1:] for tensor in tensors):
        return None
    filled = [tensor.expand(rows, *tensor.shape[1:]) for tensor in tensors]
    return filled[0] if len(filled) == 1 else torch.cat(filled)


def _tell(listener: Listener | None, step: Step) -> None:
    if listener is not None:
        listener(step)
