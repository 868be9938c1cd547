"""Loads extensions. One that fails is named, undone and skipped; the others and the program go on."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from types import ModuleType

from ..core.hooks import Hooks
from ..core.params import EXTENSION_PARAMS
from ..core.registry import OURS, SAMPLERS, SCHEDULES, UPSCALERS
from ..core.scripts import SCRIPTS
from ..core.settings import SETTINGS
from .discover import Extension


def load_all(extensions: Iterable[Extension], hooks: Hooks) -> list[str]:
    """Loads each extension and registers its listeners. Gives the names of those that work."""
    return [extension.name for extension in extensions if _load(extension, hooks)]


def _load(extension: Extension, hooks: Hooks) -> bool:
    before = _declared()
    try:
        hooks.register(_import(extension), extension.name)
    except (Exception, SystemExit) as error:
        _undo(before)
        hooks.report(extension.name, "loading", error)
        return False
    return True


def _import(extension: Extension) -> ModuleType:
    """Runs `extension.py` as the module `easel_extensions.<name>`, whose folder can be imported from relatively."""
    name = f"easel_extensions.{extension.name}"
    spec = importlib.util.spec_from_file_location(
        name, extension.entry, submodule_search_locations=[str(extension.folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _declared() -> dict[str, set[str]]:
    return {
        "params": {param.name for param in EXTENSION_PARAMS},
        "settings": {setting.name for setting in SETTINGS},
        "samplers": set(SAMPLERS.names()),
        "schedules": set(SCHEDULES.names()),
        "upscalers": {entry.name for entry in UPSCALERS if not entry.owner.startswith(OURS)},
        "scripts": set(SCRIPTS.names()),
    }


def _undo(before: dict[str, set[str]]) -> None:
    """Takes back what a failing extension had declared until it failed."""
    registries = {
        "params": EXTENSION_PARAMS,
        "settings": SETTINGS,
        "samplers": SAMPLERS,
        "schedules": SCHEDULES,
        "upscalers": UPSCALERS,
        "scripts": SCRIPTS,
    }
    after = _declared()
    for kind, registry in registries.items():
        for name in after[kind] - before[kind]:
            registry.remove(name)
