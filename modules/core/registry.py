"""Named things that anyone may add to: samplers, schedules, upscalers. The registry is the truth; lists are computed.

A sampler is `f(model, x, sigmas, *, noise, step, **options) -> x` and a schedule is
`f(n, sigma_min, sigma_max, **options) -> sigmas`, an upscaler `f(picture, width, height) -> picture`; all are plain
functions, registered where they are written.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .errors import UserError

log = logging.getLogger("easel.registry")
OURS = "modules."


@dataclass(frozen=True)
class Entry:
    """One registered function: its display name, other names it answers to, and facts about it."""

    name: str
    function: Callable[..., Any]
    aliases: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    owner: str = ""


class Registry:
    """Entries by name or alias: ours first, then those of extensions. Names are compared without regard to case."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def add(self, entry: Entry) -> None:
        """Adds an entry. Raises ValueError when one of its names is taken.

        Extensions load before our own functions, which wait for torch; a name of ours that one took goes back to us.
        """
        for name in (entry.name, *entry.aliases):
            taken = self._find(name)
            if taken is None:
                continue
            if taken.owner.startswith(OURS) or not entry.owner.startswith(OURS):
                raise ValueError(f"The {self.kind} name {name!r} is already taken by {taken.name!r}.")
            log.error("The %s %r of %s was dropped: the name is built in.", self.kind, taken.name, taken.owner)
            self.remove(taken.name)
        self._entries[entry.name] = entry

    def remove(self, name: str) -> None:
        del self._entries[name]

    def get(self, name: str) -> Entry:
        """The entry called `name`. Raises UserError, with the nearest names, when there is none."""
        found = self._find(name)
        if found is not None:
            return found
        near = difflib.get_close_matches(name, self.names(), n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(self.names())}."
        raise UserError(f"There is no {self.kind} called {name!r}.", hint=hint)

    def names(self) -> list[str]:
        return [entry.name for entry in self]

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self._entries.values(), key=lambda entry: not entry.owner.startswith(OURS)))

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def _find(self, name: str) -> Entry | None:
        wanted = name.strip().casefold()
        for entry in self._entries.values():
            if wanted in (entry.name.casefold(), *(alias.casefold() for alias in entry.aliases)):
                return entry
        return None


SAMPLERS = Registry("sampler")
SCHEDULES = Registry("schedule type")
UPSCALERS = Registry("upscaler")


def sampler(name: str, *, aliases: tuple[str, ...] = (), **facts: Any) -> Callable[[Callable], Callable]:
    """Registers a sampler function. Facts: `default_schedule` (what Automatic means, "Uniform" when absent),
    `discard_penultimate` (one level more is computed and the next to last dropped), `model_calls` (network
    evaluations a step, 1 when absent), `endless` (it makes as many steps as it needs, whatever was asked for), `noise`
    ("ancestral" or "brownian" when it draws noise between steps), `by_ratio` (with a flow model its levels must be
    ratios of noise to picture, as those of a sampler that draws noise always are: see `diffusion/flow.py`),
    `unfinished` (it ends at the lowest level above 0).
    """
    return _registrar(SAMPLERS, name, aliases, facts)


def schedule(name: str, *, aliases: tuple[str, ...] = (), **facts: Any) -> Callable[[Callable], Callable]:
    """Registers a function giving noise levels: `f(n, sigma_min, sigma_max, **options)`, descending, ending in 0."""
    return _registrar(SCHEDULES, name, aliases, facts)


def upscaler(name: str, *, aliases: tuple[str, ...] = (), **facts: Any) -> Callable[[Callable], Callable]:
    """Registers a function that enlarges: `f(picture, width, height) -> picture`, both uint8 (h, w, 3), RGB. A result
    of another size is scaled to the wanted one. Model files are upscalers too, without being registered.
    """
    return _registrar(UPSCALERS, name, aliases, facts)


def _registrar(registry: Registry, name: str, aliases: tuple[str, ...], facts: dict[str, Any]) -> Callable:
    def register(function: Callable) -> Callable:
        owner = function.__module__ or ""
        registry.add(Entry(name, function, tuple(aliases), MappingProxyType(dict(facts)), owner))
        return function

    return register
