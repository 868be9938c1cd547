"""The refiner: another checkpoint that takes over for the last steps."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..core.errors import UserError
from ..core.request import GenerationRequest
from ..diffusion.denoiser import ModelSigmas
from .model import Model
from .run import Run

Guided = Callable[[Tensor, Tensor], Tensor]


class Refined:
    """A denoiser that becomes another one, once, as soon as `due` says so of a noise level."""

    def __init__(self, first: Guided, due: Callable[[float], bool], second: Callable[[], Guided]) -> None:
        self._now, self._due, self._second = first, due, second

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        if self._second is not None and self._due(float(sigma)):
            self._now, self._second = self._second(), None
        return self._now(x, sigma)

    @property
    def unconditional(self) -> Tensor | None:
        return getattr(self._now, "unconditional", None)


def refines_here(request: GenerationRequest, *, second_pass: bool) -> bool:
    """Whether the refiner works in this pass: where there are two, in the one that was chosen."""
    if not request.refines or not request.enable_hr:
        return request.refines
    return request.hires_fix_refiner_pass in ("both passes", "second pass" if second_pass else "first pass")


def check_refiner(first: Model, last: Model) -> None:
    """Raises UserError when the second model cannot go on with the latents of the first."""
    ours, theirs = first.weights.family, last.weights.family
    if ours.id != theirs.id and (first.is_flow or last.is_flow):
        raise UserError(
            f"{last.file.name} ({theirs.name}) cannot finish what {first.file.name} ({ours.name}) began: their latents "
            "are not alike.",
            hint=f"Choose a refiner of the family {ours.name}, or hires fix with a checkpoint of its own.",
        )


def beside(run: Run, checkpoint: str, key: str) -> Model | None:
    """Another checkpoint, named in the pictures' text under `key`; None for no name."""
    if not checkpoint:
        return None
    model = run.open_beside(checkpoint)
    run.notes[key] = f"{model.file.name} [{model.file_hash.result()}]"
    return model


def switching(request: GenerationRequest, trained: ModelSigmas, levels: list[float]) -> Callable[[float], bool]:
    """Whether the refiner is due at a noise level: beyond the part of the timesteps, or steps, that was asked for."""
    at = request.refiner_switch_at
    if request.refiner_switch_by_sample_steps:
        steps = len(levels) - 1
        return lambda sigma: sum(level > sigma * (1 + 1e-6) for level in levels[:-1]) / steps >= at
    last = len(trained) - 1
    return lambda sigma: (last - round(trained.timestep(sigma))) / len(trained) > at
