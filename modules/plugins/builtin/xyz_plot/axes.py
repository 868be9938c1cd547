"""What can be plotted: every parameter of a request, under A1111's name for it or its own label, and prompts."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from modules.core.params import ALL, EXTENSION_PARAMS, Param
from modules.core.request import DRAWN_SEEDS, PARAMS, GenerationRequest
from modules.plugins.api import UserError

from .values import MOST_VALUES, joined, listed, numbers

NOTHING = "Nothing"
Change = Callable[[GenerationRequest, str], dict[str, Any]]
Check = Callable[[Mapping[str, Any]], GenerationRequest]

# A1111's names of axes, and whose values they are here.
A1111_NAMES = {
    "Seed": "seed",
    "Var. seed": "subseed",
    "Var. strength": "subseed_strength",
    "Steps": "steps",
    "Hires steps": "hr_second_pass_steps",
    "CFG Scale": "cfg_scale",
    "Image CFG Scale": "image_cfg_scale",
    "Sampler": "sampler",
    "Hires sampler": "hr_sampler_name",
    "Checkpoint name": "checkpoint",
    "Negative Guidance minimum sigma": "s_min_uncond",
    "Sigma Churn": "s_churn",
    "Sigma min": "s_tmin",
    "Sigma max": "s_tmax",
    "Sigma noise": "s_noise",
    "Schedule type": "schedule",
    "Schedule min sigma": "sigma_min",
    "Schedule max sigma": "sigma_max",
    "Schedule rho": "rho",
    "Beta schedule alpha": "beta_dist_alpha",
    "Beta schedule beta": "beta_dist_beta",
    "Eta": "eta",
    "Clip skip": "clip_skip",
    "Denoising": "denoising_strength",
    "Initial noise multiplier": "initial_noise_multiplier",
    "Extra noise": "img2img_extra_noise",
    "Hires upscaler": "hr_upscaler",
    "Cond. Image Mask Weight": "inpainting_mask_weight",
    "VAE": "vae",
    "Always discard next-to-last sigma": "always_discard_next_to_last_sigma",
    "SGM noise multiplier": "sgm_noise_multiplier",
    "Refiner checkpoint": "refiner_checkpoint",
    "Refiner switch at": "refiner_switch_at",
    "RNG source": "noise_source",
}
# How dear it is to change: the dearest is changed least often.
COSTS = {"checkpoint": 3, "vae": 2, "refiner_checkpoint": 1, "hr_checkpoint_name": 1}
STYLES, SEARCH, ORDER = "Styles", "Prompt S/R", "Prompt order"
MARK = "\ue000"  # where the prompt will stand among a style's words
SEEDS = ("seed", "subseed")
PROMPTS = ("prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt")
SIZE = re.compile(r"\s*(\d{1,6})\s*[x×*]\s*(\d{1,6})\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Axis:
    """One dimension. `values(text)` reads what somebody typed; `change(request, value)` gives the fields that a value
    sets; `canonical(request, value)` is the value as a request that was queued with it has it.
    """

    name: str
    values: Callable[[str], list[str]]
    change: Change
    canonical: Callable[[GenerationRequest, str], str] = lambda request, value: value
    title: Callable[[str], str] = lambda value: value
    cost: int = 0

    def read(self, text: str, request: GenerationRequest, check: Check) -> list[str]:
        """The values, each of which makes a request that can be queued. Raises UserError naming the first that does
        not.
        """
        values = self.values(text)
        if not values:
            raise UserError(f"The axis {self.name} has no values.", hint="Write some, with commas between them.")
        if len(values) > MOST_VALUES:
            raise UserError(f"The axis {self.name} has {len(values):,} values; at most {MOST_VALUES:,} can be plotted.")
        return [self._checked(value, request, check) for value in values]

    def _checked(self, value: str, request: GenerationRequest, check: Check) -> str:
        try:
            return self.canonical(check(self.change(request, value)), value)
        except UserError as error:
            said = error.message if self.name in error.message else f"{self.name}: {error.message}"
            raise UserError(said, hint=error.hint) from error


def axes() -> dict[str, Axis]:
    """Every axis by name: A1111's in its order, then what else can be varied."""
    found = {NOTHING: Axis(NOTHING, lambda text: [""], lambda request, value: {})}
    for name, parameter in A1111_NAMES.items():
        found[name] = _parameter_axis(name, PARAMS[parameter])
        if name == "CFG Scale":
            found |= {axis.name: axis for axis in _prompt_axes()}
    found[STYLES] = Axis(STYLES, listed, _styles)
    found["UniPC Order"] = Axis(
        "UniPC Order", partial(numbers, whole=True), _order_of_unipc, title=lambda value: f"UniPC Order: {value}"
    )
    found["Size"] = Axis("Size", listed, _size)
    taken = {name.casefold() for name in found}
    for declared in (*PARAMS.values(), *EXTENSION_PARAMS):
        if _can_be_varied(declared) and declared.label.casefold() not in taken:
            found[declared.label] = _parameter_axis(declared.label, declared)
            taken.add(declared.label.casefold())
    return found


def axis_called(name: str) -> Axis:
    """The axis of that name, whatever the case. Raises UserError."""
    for known, axis in axes().items():
        if known.casefold() == name.strip().casefold():
            return axis
    raise UserError(f"There is no axis called {name[:60]!r}.", hint="Choose one from the list.")


def _can_be_varied(declared: Param) -> bool:
    """Whether a parameter without a name of A1111's makes an axis: not what is a picture, or a list itself."""
    paints = any(tab in ALL for tab in declared.tabs) and not declared.picture
    return paints and declared.group != "files" and declared.name not in (*A1111_NAMES.values(), *PROMPTS, "styles")


def _parameter_axis(name: str, declared: Param) -> Axis:
    whole = declared.type is int
    number = declared.type in (int, float)
    values = (lambda text: numbers(text, whole=whole)) if number else listed
    if declared.name in SEEDS:
        values = _seeds
    named = declared.choices is None or declared.type is bool
    return Axis(
        name,
        values,
        partial(_field, declared),
        partial(_of_field, declared),
        (lambda value: f"{name}: {value}") if named else (lambda value: value),
        COSTS.get(declared.name, 0),
    )


def _field(declared: Param, request: GenerationRequest, value: str) -> dict[str, Any]:
    return {"extra": {**request.extra, declared.name: value}} if declared.owner else {declared.name: value}


def _of_field(declared: Param, request: GenerationRequest, value: str) -> str:
    owned = request.extra if declared.owner else request.model_dump(include={declared.name})
    found = owned.get(declared.name, declared.default)
    return f"{found:.10g}" if isinstance(found, float) else str(found)


def _seeds(text: str) -> list[str]:
    """Whole numbers; every -1 is drawn now, once."""
    return [str(random.randrange(DRAWN_SEEDS)) if one == "-1" else one for one in numbers(text, whole=True)]


def _size(request: GenerationRequest, value: str) -> dict[str, Any]:
    match = SIZE.fullmatch(value)
    if not match:
        raise UserError(f"The size {value[:60]!r} is no width x height.", hint="Write for example 512x768.")
    return {"width": int(match.group(1)), "height": int(match.group(2))}


def _order_of_unipc(request: GenerationRequest, value: str) -> dict[str, Any]:
    if value not in ("1", "2", "3"):
        raise UserError(f"UniPC Order is {value[:60]!r}, but must be 1, 2 or 3.")
    others = (one.strip() for one in request.sampler_options.split(",") if not one.strip().startswith("order"))
    return {"sampler_options": ", ".join([*filter(None, others), f"order={value}"])}


def _prompt_axes() -> tuple[Axis, Axis]:
    return Axis(SEARCH, _with_empty, _unbound), Axis(ORDER, _orders, _in_order)


def _unbound(request: GenerationRequest, value: str) -> dict[str, Any]:
    raise UserError("Prompt S/R has no word to search for.")


def bound(axis: Axis, text: str) -> Axis:
    """The axis as it is with the values in `text`: the first one of a search and replace is what is searched for."""
    searched = _with_empty(text)[:1] if axis.name == SEARCH else []
    return replace(axis, change=partial(_replaced, searched[0])) if searched and searched[0] else axis


def _with_empty(text: str) -> list[str]:
    """The values; a word may be replaced by nothing."""
    return listed(text, empty=True) if text.strip() else []


def _replaced(searched: str, request: GenerationRequest, value: str) -> dict[str, Any]:
    prompts = {name: getattr(request, name) for name in PROMPTS}
    if not any(searched in text for text in prompts.values()):
        raise UserError(
            f"Prompt S/R: {searched[:60]!r} stands in neither prompt.",
            hint="The first value is what is searched for; it must be in the prompt or the negative prompt.",
        )
    return {name: text.replace(searched, value) for name, text in prompts.items() if searched in text}


def _styles(request: GenerationRequest, value: str) -> dict[str, Any]:
    return {"styles": "\n".join(name.strip() for name in value.split(",") if name.strip())}


def style_words(value: str, check: Check) -> dict[str, str]:
    """Both prompts as a style makes them, with `MARK` for what they were. Raises UserError for an unknown style."""
    styled = check({"prompt": MARK, "negative_prompt": MARK, "styles": _styles(None, value)["styles"]})
    return {"prompt": styled.prompt, "negative_prompt": styled.negative_prompt}


def with_words(words: Mapping[str, Mapping[str, str]]) -> Axis:
    """The axis of styles whose words are known: {value: as `style_words` gives them}."""

    def change(request: GenerationRequest, value: str) -> dict[str, Any]:
        return {name: text.replace(MARK, getattr(request, name)) for name, text in words[value].items()}

    return Axis(STYLES, listed, change)


def _orders(text: str) -> list[str]:
    """Every order of the values, each as one value."""
    words = listed(text)
    orders = list(itertools.islice(itertools.permutations(words), MOST_VALUES + 1))
    return [joined(list(order)) for order in orders] if words else []


def _in_order(request: GenerationRequest, value: str) -> dict[str, Any]:
    """The prompt with the words of `value` in that order, at the places where they stood."""
    words = listed(value)
    for word in words:
        if word not in request.prompt:
            raise UserError(f"Prompt order: {word[:60]!r} does not stand in the prompt.")
    places = re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)))
    left, seen = iter(words), set()

    def next_word(match: re.Match[str]) -> str:
        if match.group() in seen:  # a word that stands there twice is moved once
            return match.group()
        seen.add(match.group())
        return next(left)

    return {"prompt": places.sub(next_word, request.prompt)}
