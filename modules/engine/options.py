"""What a request says to its sampler and schedule, as the keyword arguments that these functions take."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor

from ..core.errors import UserError
from ..core.params import params_of
from ..core.registry import SAMPLERS, SCHEDULES, Entry
from ..core.request import GenerationRequest
from ..core.sections.sampler import SamplerOptions
from ..diffusion.denoiser import ModelSigmas
from ..diffusion.schedules import check_limit, custom_levels, resolved, sigmas_for
from .model import Model
from .run import Run

TYPED = ("s_churn", "s_tmin", "s_tmax", "s_noise")
GIVEN = ("noise", "step")
REGISTRIES = {"sampler": SAMPLERS, "schedule": SCHEDULES, "hr_sampler_name": SAMPLERS, "hr_scheduler": SCHEDULES}


def options_of(entry: Entry) -> dict[str, Any]:
    """The keyword options of a sampler, with their defaults."""
    declared = inspect.signature(entry.function).parameters.values()
    return {one.name: one.default for one in declared if one.kind is one.KEYWORD_ONLY and one.name not in GIVEN}


def heeding() -> dict[str, tuple[str, tuple[str, ...]]]:
    """For each field that only some samplers or schedules heed: "sampler" or "schedule", and their names."""
    fields: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name in ("eta", "eta_ddim", *TYPED, "sampler_options"):
        fields[name] = "sampler", tuple(entry.name for entry in SAMPLERS if name in _fields_of(entry))
    shaped = {"rho": "rho", "beta_dist_alpha": "alpha", "beta_dist_beta": "beta"}
    for name, option in shaped.items():
        names = (entry.name for entry in SCHEDULES if option in inspect.signature(entry.function).parameters)
        fields[name] = "schedule", tuple(names)
    return fields


def _fields_of(entry: Entry) -> set[str]:
    """The request fields that a sampler heeds."""
    known = set(options_of(entry))
    fields = known & set(TYPED)
    if "eta" in known:
        fields.add("eta_ddim" if entry.facts.get("unit_variance") else "eta")
    return fields | ({"sampler_options"} if known - {"eta", *TYPED} else set())


def sampler_options(run: Run, entry: Entry) -> dict[str, Any]:
    """What the request says of the options that `entry` has. Those unlike their defaults are noted in `run`.

    Eta is 1 by default for all that have it but DDIM's kind, as in A1111. Raises UserError for an option it lacks.
    """
    known, request = options_of(entry), run.request
    options: dict[str, Any] = {}
    if "eta" in known:
        field = "eta_ddim" if entry.facts.get("unit_variance") else "eta"
        options["eta"] = _noted(run, field)
        if entry.facts.get("noise") == "ancestral" and options["eta"] > 0:
            _noted(run, "eta_noise_seed_delta")
    options |= {name: _noted(run, name) for name in TYPED if name in known}
    further = _further(request.sampler_options, entry, known)
    if further:
        _noted(run, "sampler_options")
    return {**options, **further}


def as_registered(request: GenerationRequest) -> GenerationRequest:
    """The same with samplers and schedules by their own names: who queued it may have spelt them otherwise, before the
    engine was there to tell.
    """
    written = {field: (getattr(request, field), registry) for field, registry in REGISTRIES.items()}
    names = {field: registry.get(name).name for field, (name, registry) in written.items() if name in registry}
    return request.model_copy(update=names)


def check_options(request: GenerationRequest) -> None:
    """Raises UserError when the sampler lacks an option that the request names, or custom sigmas do not descend."""
    entry = SAMPLERS.get(request.sampler)
    _further(request.sampler_options, entry, options_of(entry))
    if request.custom_sigmas.strip():
        custom_levels(request.custom_sigmas)


def levels_of(run: Run, entry: Entry, steps: int, model: Model) -> Tensor:
    """The noise levels of a whole schedule of `steps` steps. What shapes them is noted in `run`."""
    if not run.request.custom_sigmas.strip() and resolved(entry, run.request.schedule, model.sigmas).name == "Beta":
        _noted(run, "beta_dist_alpha")
        _noted(run, "beta_dist_beta")
    if model.is_flow:
        _noted(run, "flow_shift")
    return whole_schedule(run.request, entry, steps, model.sigmas, model.weights.family.id)


def whole_schedule(request: GenerationRequest, entry: Entry, steps: int, trained: ModelSigmas, family: str) -> Tensor:
    """The levels that the request's schedule gives for `steps` steps; or those that somebody listed. Raises UserError.

    `family` is the id of the checkpoint's, since some schedules are made for one.
    """
    if request.custom_sigmas.strip():
        levels = custom_levels(request.custom_sigmas)
        check_limit(levels[:1].tolist(), trained, "Custom sigmas")
        return levels
    shape: dict[str, Any] = {"family": "SDXL" if family.startswith("sdxl") else "SD1"}
    if request.rho:
        shape["rho"] = request.rho
    if resolved(entry, request.schedule, trained).name == "Beta":
        shape |= {"alpha": request.beta_dist_alpha, "beta": request.beta_dist_beta}
    return sigmas_for(
        entry,
        request.schedule,
        steps,
        trained,
        sigma_min=request.sigma_min or None,
        sigma_max=request.sigma_max or None,
        discard_penultimate=request.always_discard_next_to_last_sigma,
        **shape,
    )


def _noted(run: Run, field: str) -> Any:
    """The request's value of a field that has an effect now, which goes into the picture's text unless it is usual."""
    declared, value = params_of(SamplerOptions)[field], getattr(run.request, field)
    if value != declared.default:
        run.notes[declared.key] = value
    return value


def _further(text: str, entry: Entry, known: dict[str, Any]) -> dict[str, Any]:
    """The options in `name=value, name=value`, in the types of their defaults. Raises UserError."""
    found: dict[str, Any] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in item.partition("="))
        has = ", ".join(f"{option}={default:g}" for option, default in known.items())
        hint = f"{entry.name} has: {has}." if has else f"{entry.name} has no options."
        if not equals or name not in known:
            raise UserError(f"{item[:60]!r} is no option of {entry.name}.", hint=hint)
        try:
            found[name] = type(known[name])(float(value))
        except (ValueError, OverflowError) as error:
            raise UserError(f"The option {name} is {value[:40]!r}, which is no number.", hint=hint) from error
    return found
