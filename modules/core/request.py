"""`GenerationRequest`: every knob of a generation, declared once. Frozen; round-trips through JSON.

Its fields stand in `sections/`, by theme. Adding one there is all it takes for a new parameter to have a widget, an API
field, an infotext key and a line in the docs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator, model_validator

from .errors import UserError
from .model_work import ModelWork
from .params import EXTENSION_PARAMS, Param, params_of
from .sections.extras import Extras
from .sections.guidance import Guiding
from .sections.hires import Hires
from .sections.image import StartingPicture
from .sections.inspect import Inspecting
from .sections.language import Language
from .sections.mask import ONLY_MASKED, Masking
from .sections.model import Models
from .sections.outpaint import Outpainting
from .sections.prompt import Prompt
from .sections.refiner import Refining
from .sections.repeat import Repeating
from .sections.sampler import SamplerOptions
from .sections.sampling import Sampling
from .sections.seed import Seeding
from .sections.size import Size

DRAWN_SEEDS = 2**32 - 2


class GenerationRequest(
    Inspecting,
    Extras,
    SamplerOptions,
    Guiding,
    Refining,
    Hires,
    Repeating,
    Outpainting,
    Masking,
    StartingPicture,
    Models,
    Language,
    Size,
    Seeding,
    Sampling,
    Prompt,
):
    """What to make. Absent fields are filled when the job is queued: see `filled`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scripts: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Arguments of scripts, by name.")
    extra: dict[str, Any] = Field(default_factory=dict, description="Parameters that extensions added, by name.")
    model_work: dict[str, Any] = Field(
        default_factory=dict, description="In place of painting: work on model files (see `ModelWork`)."
    )
    styled: dict[str, str] = Field(
        default_factory=dict, description="Styles and both prompts as they were before the styles were added."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _text_can_be_stored(cls, value: Any) -> Any:
        return _storable(value) if isinstance(value, str) else value

    @field_validator("*")
    @classmethod
    def _is_a_choice(cls, value: Any, info: ValidationInfo) -> Any:
        declared = params_of(cls).get(info.field_name or "")
        return _chosen(value, declared.choices) if declared and isinstance(declared.choices, tuple) else value

    @field_validator("extra")
    @classmethod
    def _extra_is_declared(cls, extra: dict[str, Any]) -> dict[str, Any]:
        return {name: _checked_extra(name, value) for name, value in extra.items()}

    @field_validator("model_work")
    @classmethod
    def _work_is_declared(cls, work: dict[str, Any]) -> dict[str, Any]:
        return ModelWork.model_validate(work).model_dump() if work else {}

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> GenerationRequest:
        """A request from loose values (a page, an API, a picture). Raises UserError naming the field and its bounds."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            params = params_of(cls)
            fields = [(str(problem["loc"][0]) if problem["loc"] else "", problem) for problem in error.errors()]
            raise UserError(" ".join(_sentence(params.get(name), name, problem) for name, problem in fields)) from error

    def filled(self, defaults: Mapping[str, Any]) -> GenerationRequest:
        """This request with `defaults` for the fields that were never set; a -1 seed stays for the caller to draw."""
        missing = {name: value for name, value in defaults.items() if name not in self.model_fields_set}
        return type(self).checked({**self.model_dump(exclude_unset=True), **missing})

    @model_validator(mode="after")
    def _has_one_start(self) -> GenerationRequest:
        if self.enable_hr and self.init_image:
            raise ValueError("hires fix starts from noise, but a picture to start from is given. Leave out one of them")
        return self

    @property
    def starts_partly_noised(self) -> bool:
        """Whether some sampling starts from latents with only a part of the noise."""
        return bool(self.init_image) or self.enable_hr

    @property
    def has_mask(self) -> bool:
        """Whether only a part of the picture is painted."""
        return bool(self.mask) or self.outpaints

    @property
    def inpaints_only_masked(self) -> bool:
        """Whether the masked part is painted at full size, seeing only its surroundings."""
        return self.has_mask and self.inpaint_area == ONLY_MASKED

    @property
    def pictures(self) -> int:
        """How many pictures the request asks for."""
        if self.model_work:
            return 0
        if self.extras:
            return max(1, len(self.files))
        for arguments in self.scripts.values():
            if "pictures" in arguments:
                return arguments["pictures"]
        return self.batch_size * self.batch_count * self.loopback * max(1, len(self.files))

    @property
    def results(self) -> int:
        """How many pictures come out: a script may keep fewer than it paints, and add grids of them."""
        return next(
            (arguments["results"] for arguments in self.scripts.values() if "results" in arguments), self.pictures
        )

    def for_picture(self, index: int) -> GenerationRequest:
        """The request that makes picture `index` of this one alone: its seed, one picture."""
        seed, subseed = self.seeds_of(index)
        return self.model_copy(update={"seed": seed, "subseed": subseed, "batch_size": 1, "batch_count": 1})


PARAMS: Mapping[str, Param] = params_of(GenerationRequest)


def _storable(text: str) -> str:
    for position, letter in enumerate(text):
        if "\ud800" <= letter <= "\udfff" or letter == "\0":
            raise ValueError(
                f"character {position + 1} (U+{ord(letter):04X}) is not text: half of a pair, or a zero byte. "
                "Delete it, or paste the text again"
            )
    return text


def _chosen(value: str, choices: tuple[str, ...]) -> str:
    """The choice as it is spelt in the declaration. Raises ValueError when there is none such."""
    for choice in choices:
        if value.strip().casefold() == choice.casefold():
            return choice
    raise ValueError(f"{value[:60]!r} is not one of {', '.join(choices)}")


def _checked_extra(name: str, value: Any) -> Any:
    """The value of an extension's parameter in its type. Raises ValueError with the sentence that people see."""
    declared = EXTENSION_PARAMS.get(name)
    if declared is None:
        raise ValueError(f"{name[:60]!r} is not a parameter of any loaded extension")
    return checked_value(declared, value)


def checked_value(declared: Param, value: Any) -> Any:
    """The value of a parameter that is no field, in its type. Raises ValueError with the sentence that people see."""
    try:
        value = _reader_of(declared).validate_python(value)
    except ValidationError as error:
        sentences = " ".join(_sentence(declared, declared.name, problem) for problem in error.errors())
        raise ValueError(sentences.removesuffix(".")) from error
    if isinstance(declared.choices, tuple) and value not in declared.choices:
        raise ValueError(f"{declared.label} is {str(value)[:60]!r}, but must be one of {', '.join(declared.choices)}")
    return _storable(value) if isinstance(value, str) else value


def _reader_of(declared: Param) -> TypeAdapter:
    """What pydantic makes of a parameter that is no field: the same bounds, the same errors."""
    bounds = {name: getattr(declared, name) for name in ("ge", "le", "multiple_of", "max_length")}
    finite = {"allow_inf_nan": False} if declared.type is float else {}
    return TypeAdapter(Annotated[declared.type, Field(**{k: v for k, v in bounds.items() if v is not None}, **finite)])


def _sentence(declared: Param | None, field: str, problem: Mapping[str, Any]) -> str:
    """One plain sentence for one of pydantic's errors."""
    label = declared.label if declared else field[:60] or "The request"
    seen, limits, kind = problem.get("input"), problem.get("ctx", {}), problem["type"]
    if kind == "extra_forbidden":
        return f"There is no parameter called {field[:60]!r}."
    if kind == "multiple_of":
        return f"{label} is {_shown(seen)}, but must be a multiple of {_multiples(declared, seen)}."
    if kind == "string_too_long":
        return f"{label} has {len(seen):,} characters; at most {limits['max_length']:,} can be used. Shorten it."
    if kind in ("greater_than_equal", "less_than_equal"):
        side, bound = ("at least", limits["ge"]) if "ge" in limits else ("at most", limits["le"])
        return f"{label} is {_shown(seen)}, but must be {side} {int(bound) if bound == int(bound) else bound}."
    if kind == "value_error":
        return f"{limits['error']}." if field == "extra" else f"{label}: {limits['error']}."
    return f"{label} is {_shown(seen)!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}."


def _shown(seen: Any) -> str:
    """What somebody gave, short enough for a sentence. Python refuses to write out integers of thousands of digits."""
    if isinstance(seen, int) and seen.bit_length() > 200:
        return f"a number of about {seen.bit_length() * 3 // 10} digits"
    return str(seen)[:60]


def _multiples(declared: Param, seen: Any) -> str:
    """`8: try 512 or 520`: the nearest values that fit, on both sides where there are two."""
    step = declared.multiple_of
    lowest, highest = declared.ge or step, declared.le or math.inf
    below = (seen if isinstance(seen, int) else float(seen)) // step * step
    near = sorted({int(min(max(value, lowest), highest)) for value in (below, below + step)})
    return f"{step}: try {' or '.join(map(_shown, near))}"
