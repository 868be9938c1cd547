"""What a tab's widgets may offer now: lists of choices, and defaults that suit the loaded model.

The browser takes them over where the user has not chosen otherwise (`static/values.js`), so that a value somebody typed
is never overwritten, whenever the engine becomes ready.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..catalog.families import is_flow, is_told_guidance
from ..core.params import Param
from ..core.scripts import SCRIPTS
from ..core.sections.extras import NO_UPSCALER, ONLY_WITH
from ..core.sections.hires import LATENT_UPSCALERS, SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULE
from ..core.sections.refiner import NO_REFINER

if TYPE_CHECKING:
    from ..catalog.scan import ModelFile
    from ..studio import Studio

# A VAE is chosen by a rule, or by its file: the one named like the checkpoint, or always the checkpoint's own.
VAE_RULES = ("Automatic", "None")


def offers(studio: Studio, params: Iterable[Param]) -> dict[str, dict[str, Any]]:
    """By parameter name: `initial` (what the widget held when the page was built), `default`, and `choices` where it
    is chosen from a list (null: the list is not known yet). `only`: the field on which it depends whether this one
    counts, and the values with which it does.
    """
    defaults = studio.defaults()
    lists = choice_lists(studio)
    abilities = studio.abilities()
    applies = {**ONLY_WITH, **(abilities.applies if abilities else {})}
    with_upscaler = tuple(lists["upscalers"][1:])
    applies |= _only_with_checkpoints(studio)
    applies["extras_upscaler_2_visibility"] = ("upscaler_2", with_upscaler)
    applies |= dict.fromkeys(("restorer_visibility", "upscale_first"), ("restorer", with_upscaler))
    found: dict[str, dict[str, Any]] = {}
    for param in params:
        found[param.name] = {"initial": param.default, "default": defaults.get(param.name, param.default)}
        if param.choices is not None:
            listed = lists.get(param.choices) if isinstance(param.choices, str) else param.choices
            found[param.name]["choices"] = listed and list(listed)
        if param.name in applies:
            found[param.name]["only"] = applies[param.name]
    return found


def _only_with_checkpoints(studio: Studio) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Fields that only some checkpoints heed, and what requests call these."""
    usable = [model for model in studio.models() if not model.problem]
    told = _usable(studio, (model for model in usable if is_told_guidance(model.family_id, model.variant)))
    flowing = _usable(studio, (model for model in usable if is_flow(model.family_id)))
    guided = dict.fromkeys(("distilled_cfg_scale", "hr_distilled_cfg"), ("checkpoint", told))
    return {**guided, "flow_shift": ("checkpoint", flowing)}


def choice_lists(studio: Studio) -> dict[str, tuple[str, ...]]:
    """The lists that declarations name in `choices`. What only the engine knows is absent until it is ready."""
    lists = {
        "checkpoints": _usable(studio, studio.models()),
        "vaes": (*VAE_RULES, *_usable(studio, studio.vaes())),
    }
    lists |= {
        "hires_checkpoints": (SAME_CHECKPOINT, *lists["checkpoints"]),
        "upscalers": (NO_UPSCALER, *studio.upscalers()),
        "hires_upscalers": (*LATENT_UPSCALERS, *studio.upscalers()),
        "refiners": (NO_REFINER, *lists["checkpoints"]),
    }
    lists |= {name: names() for script in SCRIPTS for name, names in script.lists.items()}
    abilities = studio.abilities()
    if abilities is not None:
        samplers, schedules = tuple(abilities.samplers), tuple(abilities.schedules)
        lists |= {"samplers": samplers, "hires_samplers": (SAME_SAMPLER, *samplers)}
        lists |= {"schedules": schedules, "hires_schedules": (SAME_SCHEDULE, *schedules)}
    return {name: choices for name, choices in lists.items() if choices}


def _usable(studio: Studio, models: Iterable[ModelFile]) -> tuple[str, ...]:
    """What requests call the files that can be loaded."""
    return tuple(studio.name_of(model) for model in models if not model.problem)
