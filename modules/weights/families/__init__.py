"""One file per family of models: its networks and how it reads prompts. The table is all that others see.

Each value imports its family's file when called, since those imports take seconds and torch is wanted late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType


def _file(name: str) -> Callable[[], ModuleType]:
    return lambda: import_module(f"{__name__}.{name}")


RULES: Mapping[str, Callable[[], ModuleType]] = MappingProxyType(
    {name: _file(name) for name in ("sd1", "sd2", "sdxl", "sd3", "flux")}
)
