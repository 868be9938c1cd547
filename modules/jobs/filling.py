"""From loose values to the complete request that is queued: defaults taken, names checked, seed drawn."""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping
from typing import Any

from ..catalog.scan import ModelFile
from ..core.errors import UserError
from ..core.params import EXTENSION_PARAMS
from ..core.pictures import Abilities
from ..core.registry import SAMPLERS, SCHEDULES, Registry
from ..core.request import DRAWN_SEEDS, GenerationRequest
from ..core.sections.hires import LATENT_UPSCALERS, SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULE
from .models import Models

LONGEST_NAME = 100


def filled(
    values: Mapping[str, Any],
    checkpoint_else: str,
    models: Models,
    pixels: Mapping[str, Any],
    abilities: Abilities | None,
) -> GenerationRequest:
    """The complete request. `checkpoint_else` is used when none is named; `pixels` are the settings' defaults for
    request fields; without `abilities` (the engine is not there yet) sampler and schedule are not checked.

    Raises UserError naming the field that does not fit.
    """
    request = GenerationRequest.checked(values)
    checkpoint = models.checkpoint(request.checkpoint or checkpoint_else)
    request = request.filled({**recommended(checkpoint), **pixels})
    chosen: dict[str, Any] = {
        "checkpoint": models.name_of(checkpoint),
        "vae": models.vae(request.vae),
        "extra": _unlike_default(request.extra),
        **_other_checkpoints(request, models),
    }
    if request.enable_hr and request.hr_upscaler not in LATENT_UPSCALERS:
        chosen["hr_upscaler"] = models.upscaler(request.hr_upscaler)
    if request.seed == -1:
        chosen["seed"] = random.randrange(DRAWN_SEEDS)
    if request.subseed == -1 and request.varies:
        chosen["subseed"] = random.randrange(DRAWN_SEEDS)
    if abilities is not None:
        chosen["sampler"] = spelt(request.sampler, abilities.samplers, SAMPLERS)
        chosen["schedule"] = spelt(request.schedule, abilities.schedules, SCHEDULES)
    if abilities is not None and request.enable_hr:
        samplers, schedules = (SAME_SAMPLER, *abilities.samplers), (SAME_SCHEDULE, *abilities.schedules)
        chosen["hr_sampler_name"] = spelt(request.hr_sampler_name or SAME_SAMPLER, samplers, SAMPLERS)
        chosen["hr_scheduler"] = spelt(request.hr_scheduler or SAME_SCHEDULE, schedules, SCHEDULES)
    return _storable(GenerationRequest.checked({**request.model_dump(), **chosen}))


def _other_checkpoints(request: GenerationRequest, models: Models) -> dict[str, str]:
    """The checkpoints of the second pass and of the last steps, as they are called here. Raises UserError."""
    chosen: dict[str, str] = {}
    if request.enable_hr and request.hr_checkpoint_name not in ("", SAME_CHECKPOINT):
        chosen["hr_checkpoint_name"] = models.name_of(models.checkpoint(request.hr_checkpoint_name))
    if request.refines:
        chosen["refiner_checkpoint"] = models.name_of(models.checkpoint(request.refiner_checkpoint))
    return chosen


def recommended(model: ModelFile) -> dict[str, Any]:
    """The request fields that suit a checkpoint: the size it was made for, and what its file declares."""
    size = {"width": model.native_size, "height": model.native_size} if model.native_size else {}
    return {**size, **model.declared.recommended.model_dump(exclude_none=True)}


def _unlike_default(extra: Mapping[str, Any]) -> dict[str, Any]:
    """What an extension's default already says is not kept, so that jobs outlive extensions they never used."""
    defaults = {declared.name: declared.default for declared in EXTENSION_PARAMS}
    return {name: value for name, value in extra.items() if value != defaults.get(name)}


def spelt(name: str, names: tuple[str, ...], registry: Registry) -> str:
    """The name as the engine spells it. Raises UserError, with the nearest names, when it has none such."""
    for known in names:
        if known.casefold() == name.strip().casefold():
            return known
    if name in registry:
        return registry.get(name).name
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names)}."
    raise UserError(f"There is no {registry.kind} called {name[:60]!r}.", hint=hint)


def _storable(request: GenerationRequest) -> GenerationRequest:
    """The request, if it can be written down. Raises UserError for text that is none, anywhere in it."""
    try:
        request.model_dump_json()
    except ValueError as error:  # pydantic's is one
        surrogate = "surrogates" in str(error)
        reason = "it contains half of a character pair" if surrogate else "it is nested too deeply"
        raise UserError(f"The request cannot be stored: {reason}.") from error
    return request


def short_text(what: str, text: str) -> str:
    """A name that comes with a job (its tab, its owner), if it can be stored. Raises UserError."""
    if len(text) > LONGEST_NAME or not text.isprintable():
        raise UserError(f"The {what} must be at most {LONGEST_NAME} printable characters.")
    return text
