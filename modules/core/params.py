"""What is known about one generation parameter, declared once where the parameter is.

The page's widget, the API schema, the `/sdapi/v1` alias, the text in a PNG, the X/Y/Z axis and the documentation are
computed from it. `param()` declares a field of `GenerationRequest`; an extension's parameter is a `Param` of its own,
kept in `EXTENSION_PARAMS`, whose value travels in `request.extra`.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from pydantic import BaseModel, Field

TXT2IMG, IMG2IMG, INPAINT, EXTRAS = "txt2img", "img2img", "inpaint", "extras"
ALL = (TXT2IMG, IMG2IMG, INPAINT)  # the tabs that paint


@dataclass(frozen=True)
class Param:
    """One parameter. `ge`, `le` and `multiple_of` are hard bounds (beyond them a run fails or means nothing);
    `slider` (minimum, maximum, step) is comfort. `choices` is a tuple, or the name of a list in `Abilities`. A
    `picture` is given as the id of a stored one. `drawn`: the page has an element of its own for it.

    `written`: whether a picture's text has it: "always", "changed" (only unlike the default), or "noted" (only when the
    engine says in `Facts.notes` that it had an effect). `needs`: an attribute of the request without which it means
    nothing, and is not written.
    """

    name: str
    default: Any
    label: str
    help: str = ""
    group: str = "extras"
    tabs: tuple[str, ...] = ALL
    ge: float | None = None
    le: float | None = None
    multiple_of: int | None = None
    max_length: int | None = None
    slider: tuple[float, float, float] | None = None
    choices: tuple[str, ...] | str | None = None
    lines: int = 1
    picture: bool = False
    drawn: bool = False
    infotext: str | None = None
    written: str = "always"
    needs: str = ""
    alias: str | None = None
    type: type = str
    optional: bool = False
    owner: str = ""

    @property
    def key(self) -> str:
        """The key in a picture's text; "" when the parameter is not written there."""
        return self.label if self.infotext is None else self.infotext

    @property
    def a1111(self) -> str:
        """The field's name in `/sdapi/v1`."""
        return self.alias or self.name


_DECLARED = {field.name for field in fields(Param)} - {"name", "default", "type", "optional", "owner"}
_PYDANTIC = ("ge", "le", "multiple_of", "max_length")


def param(default: Any, **facts: Any) -> Any:
    """A field of a request, with the facts of `Param`."""
    unknown = set(facts) - _DECLARED
    if unknown:
        raise TypeError(f"param() does not know {', '.join(sorted(unknown))}.")
    bounds = {name: facts[name] for name in _PYDANTIC if name in facts}
    if isinstance(default, float):
        bounds["allow_inf_nan"] = False
    return Field(
        default, title=facts["label"], description=facts.get("help", ""), json_schema_extra={"param": facts}, **bounds
    )


@functools.cache
def params_of(model: type[BaseModel]) -> Mapping[str, Param]:
    """The parameters that a request class declares, by field name, in order of declaration."""
    found = {}
    for name, info in model.model_fields.items():
        declared = (info.json_schema_extra or {}).get("param") if isinstance(info.json_schema_extra, dict) else None
        if declared is not None:
            kind, optional = _plain_type(info.annotation)
            found[name] = Param(name=name, default=info.default, type=kind, optional=optional, **declared)
    return types.MappingProxyType(found)


def _plain_type(annotation: Any) -> tuple[type, bool]:
    """`int | None` -> (int, True); `float` -> (float, False)."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [part for part in typing.get_args(annotation) if part is not type(None)]
        return inner[0], True
    return annotation, False


class ExtensionParams:
    """Parameters that extensions added, by name. Their values stand in `request.extra`."""

    def __init__(self) -> None:
        self._params: dict[str, Param] = {}

    def add(self, new: Param) -> None:
        if new.name in self._params:
            raise ValueError(f"The parameter {new.name!r} is already declared by {self._params[new.name].owner}.")
        for other in self:
            if new.key and new.key == other.key:
                raise ValueError(f"The infotext key {new.key!r} already belongs to {other.name!r} of {other.owner}.")
        self._params[new.name] = new

    def remove(self, name: str) -> None:
        del self._params[name]

    def get(self, name: str) -> Param | None:
        return self._params.get(name)

    def __iter__(self) -> Iterator[Param]:
        return iter(tuple(self._params.values()))


EXTENSION_PARAMS = ExtensionParams()
