"""Which rules of guidance a request asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..core.errors import UserError
from ..core.registry import Entry
from ..core.sections.guidance import APG, CFG_ZERO
from ..diffusion.guiding import Fitting, Perturbing, Projecting, Rescaling, Skipping, expected_calls
from ..weights.attention import blinded_middle
from .model import EDITING, Model
from .run import Run

MOMENTS = ("guiding", "predicted", "guided")


def rules_of(run: Run, entry: Entry, model: Model, levels: list[float]) -> list[Any]:
    """The rules in the order in which they act; none for most requests. What they are is noted in `run`."""
    request, rules = run.request, []
    if request.skip_early_cond or (request.s_min_uncond and model.purpose != EDITING):
        calls = expected_calls(levels, entry.facts.get("model_calls", 1))
        rules.append(
            Skipping(
                calls,
                early=request.skip_early_cond,
                below=model.sigmas.at_ratio(request.s_min_uncond),
                all_steps=request.s_min_uncond_all,
            )
        )
        said = {"Skip Early CFG": request.skip_early_cond, "NGMS": request.s_min_uncond}
        run.notes.update({key: value for key, value in said.items() if value})
        if request.s_min_uncond and request.s_min_uncond_all:
            run.notes["NGMS all steps"] = True
    if request.guidance_method == APG:
        rules.append(Projecting())
    elif request.guidance_method == CFG_ZERO:
        rules.append(Fitting())
    if request.cfg_rescale:
        rules.append(Rescaling(request.cfg_rescale, model.weights.prediction))
    if request.pag_scale:
        if model.is_flow:
            raise UserError(
                f"PAG scale needs a UNet; {model.weights.family.name} has a transformer, which has no middle block.",
                hint="Set the PAG scale to 0.",
            )
        rules.append(Perturbing(request.pag_scale, model.denoiser, partial(blinded_middle, model.weights.unet)))
    return rules


def acting(rules: list[Any], moment: str) -> list[Callable[[Any], None]]:
    """The rules' functions for one moment of a step."""
    return [getattr(rule, moment) for rule in rules if hasattr(rule, moment)]
