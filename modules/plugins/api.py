"""What an extension imports, and all it needs to import.

    from modules.plugins.api import Param, Setting, hook, sampler

    Param("sparkle", 0.0, label="Sparkle", slider=(0, 1, 0.05))      a widget, an API field, an infotext key
    Setting("sparkle_limit", 3, label="Most sparkles", ge=0, le=9)   a line on the Settings page, a key in the file

    @sampler("Sparkle Euler")                                        in every list of samplers
    def sparkle_euler(model, x, sigmas, *, noise, step): ...

    @upscaler("Sparkle 2x")                                          in every list of upscalers
    def sparkle_twice(picture, width, height): ...

    @script("Twice", Field("apart", 1, label="Seeds apart", ge=1))   in the chooser of scripts
    def twice(run, arguments):
        yield Part(run.request, first=0, name="the first")
        pictures = yield Part(changed(run.request, seed=run.request.seed + arguments["apart"]), 1, "the second")

    @hook
    def guided(run, step): ...                                       any moment of `modules/core/hooks.py`

Declared while an extension is loaded, these belong to it and go when it fails or is unloaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ..core import infotext, params, settings
from ..core.errors import UserError
from ..core.hooks import hook
from ..core.params import EXTENSION_PARAMS
from ..core.registry import sampler, schedule, upscaler
from ..core.request import PARAMS, GenerationRequest
from ..core.scripts import SCRIPTS, Part, Script, one_part
from ..core.settings import SETTINGS

RESERVED_KEYS = {param.key for param in PARAMS.values() if param.key} | infotext.OTHER_KEYS

__all__ = [
    "Field",
    "Param",
    "Part",
    "Setting",
    "UserError",
    "changed",
    "hook",
    "sampler",
    "schedule",
    "script",
    "upscaler",
]


def Param(name: str, default: Any, **facts: Any) -> params.Param:
    """Declares a generation parameter; its value stands in `run.request.extra[name]`. Facts as in `core.params.Param`.

    Raises ValueError when the name or the infotext key is taken.
    """
    new = params.Param(name, default, type=type(default), owner=_declarer(), **{"label": name, **facts})
    if name in GenerationRequest.model_fields:
        raise ValueError(f"The parameter {name!r} is built in.")
    if new.key in RESERVED_KEYS:
        raise ValueError(f"The infotext key {new.key!r} is built in: choose another label, or infotext=...")
    EXTENSION_PARAMS.add(new)
    return new


def Setting(name: str, default: Any, **facts: Any) -> settings.Setting:
    """Declares a setting. Facts as in `core.settings.Setting`. Raises ValueError when the name is taken."""
    facts = {"label": name, "section": "Extensions", **facts}
    new = settings.Setting(name, default, owner=_declarer(), **facts)
    if new.pixels and name not in PARAMS:
        raise ValueError(f"The setting {name!r} cannot be the default of a parameter: none has that name.")
    SETTINGS.add(new)
    return new


def Field(name: str, default: Any, **facts: Any) -> params.Param:
    """A field of a script. Facts as in `core.params.Param`."""
    return params.Param(name, default, type=type(default), **{"label": name, **facts})


def script(name: str, *fields: params.Param, prepare: Callable = one_part, **facts: Any) -> Callable:
    """Declares a script. Facts: `tabs` and `lists`, as in `core.scripts.Script`. Raises ValueError when the name is
    taken.
    """
    owner = _declarer()

    def declare(function: Callable) -> Callable:
        SCRIPTS.add(Script(name, function, fields, prepare, owner=owner, **facts))
        return function

    return declare


def changed(request: GenerationRequest, **values: Any) -> GenerationRequest:
    """The request with other values in some fields, checked. Raises UserError when one does not fit."""
    return GenerationRequest.checked({**request.model_dump(), **values})


def _declarer() -> str:
    """The module that called the function that called this one: whose declaration it is."""
    return sys._getframe(2).f_globals["__name__"]
