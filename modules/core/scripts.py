"""Scripts: one job painted as many requests. A plot varies a parameter, a matrix its prompt, an upscaler paints tiles.

A script is declared with its fields, whose values travel in `request.scripts[name]`, and has two halves. `prepare` runs
when the job is queued: it checks the values, draws what is random once and says how many pictures there will be. The
function itself runs in the engine: it yields one `Part` after another and is sent the pictures that each one gave.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .errors import UserError
from .params import ALL, Param
from .request import GenerationRequest, checked_value

if TYPE_CHECKING:
    import numpy

    from .pictures import Picture

# What the preparation writes beside the fields' values; what else it notes begins with an underscore.
PICTURES, RESULTS, DONE = "pictures", "results", "done"
Arguments = Mapping[str, Any]
Check = Callable[[Mapping[str, Any]], GenerationRequest]


@dataclass(frozen=True)
class Part:
    """One request of a script. `first` is the index of its first picture in the job; `name` is what people call it.

    A failure (UserError) costs this part alone and is told. `kept`: whether its pictures are results of the job, or
    only sent to the script. `pictures`: pictures to start from that the request names, uint8 (h, w, 3 or 4), by id.
    """

    request: GenerationRequest
    first: int
    name: str
    kept: bool = True
    pictures: Mapping[str, numpy.ndarray] = field(default_factory=lambda: MappingProxyType({}))


Parts = Generator[Part, "list[Picture]", None]


def one_part(request: GenerationRequest, arguments: Arguments, check: Check) -> dict[str, Any]:
    """The preparation of a script that asks for no more pictures than the request itself."""
    return {**arguments, PICTURES: request.pictures, RESULTS: request.pictures}


@dataclass(frozen=True)
class Script:
    """A script. `function(run, arguments)` gives its parts; when the job is stopped, the generator is closed.

    `prepare(request, arguments, check)` gives the arguments as they are queued, with `pictures` (how many are painted)
    and `results` (how many come out). `check(changes)` gives the request with these fields changed, as it would be
    queued; both raise UserError. `lists` has what its fields name in `choices`, besides the lists in `Abilities`.
    """

    name: str
    function: Callable[[Any, Arguments], Parts]
    params: tuple[Param, ...] = ()
    prepare: Callable[[GenerationRequest, Arguments, Check], dict[str, Any]] = one_part
    tabs: tuple[str, ...] = ALL
    lists: Mapping[str, Callable[[], tuple[str, ...]]] = field(default_factory=lambda: MappingProxyType({}))
    owner: str = ""

    def checked(self, given: Arguments) -> dict[str, Any]:
        """The value of every field, in its type. Raises UserError naming what does not fit."""
        fields = {param.name: param for param in self.params}
        noted = {name for name in given if name.startswith("_")}
        unknown = set(given) - set(fields) - {PICTURES, RESULTS, DONE} - noted
        if unknown:
            raise UserError(
                f"{self.name} has no field called {min(unknown)[:60]!r}.",
                hint=f"It has: {', '.join(fields) or 'none'}.",
            )
        try:
            return {name: checked_value(param, given.get(name, param.default)) for name, param in fields.items()}
        except ValueError as error:
            raise UserError(f"{self.name}: {error}.") from error


class Scripts:
    """All scripts, by name, in the order of their declaration."""

    def __init__(self) -> None:
        self._scripts: dict[str, Script] = {}

    def add(self, new: Script) -> None:
        """Raises ValueError when the name is taken."""
        if new.name in self._scripts:
            raise ValueError(f"The script {new.name!r} is already declared by {self._scripts[new.name].owner}.")
        self._scripts[new.name] = new

    def remove(self, name: str) -> None:
        del self._scripts[name]

    def names(self) -> list[str]:
        return list(self._scripts)

    def get(self, name: str) -> Script:
        """The script called so, whatever the case. Raises UserError when there is none."""
        for script in self:
            if script.name.casefold() == name.strip().casefold():
                return script
        there = f"There are: {', '.join(self.names())}." if self._scripts else "No extension with scripts is loaded."
        raise UserError(f"There is no script called {name[:60]!r}.", hint=there)

    def __iter__(self) -> Iterator[Script]:
        return iter(tuple(self._scripts.values()))


SCRIPTS = Scripts()


def chosen(request: GenerationRequest) -> tuple[Script, Arguments] | None:
    """The script that a request asks for, with its arguments; None for a plain one. Raises UserError."""
    if len(request.scripts) > 1:
        names = " and ".join(map(repr, list(request.scripts)[:2]))
        raise UserError(f"A job has one script, but this one has {names}.", hint="Send two jobs.")
    for name, arguments in request.scripts.items():
        return SCRIPTS.get(name), arguments
    return None


def prepared(request: GenerationRequest, check: Check) -> GenerationRequest:
    """The request with its script's arguments as they are queued. `check(values)` completes the values of a request
    without a script. Raises UserError with the first thing that is wrong.
    """
    script = chosen(request)
    if script is None:
        return request
    declared, given = script
    bare = request.model_copy(update={"scripts": {}})
    values = bare.model_dump(exclude={"scripts"})
    arguments = declared.prepare(bare, declared.checked(given), lambda changes: check({**values, **changes}))
    return request.model_copy(update={"scripts": {declared.name: arguments}})
