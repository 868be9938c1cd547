"""What extensions declare stands in registries of the process; tests take back what theirs declared."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from modules.core.params import EXTENSION_PARAMS
from modules.core.registry import SAMPLERS, SCHEDULES, UPSCALERS
from modules.core.scripts import SCRIPTS
from modules.core.settings import SETTINGS


@contextmanager
def declarations_taken_back() -> Iterator[None]:
    """Whatever extensions declare within it is gone afterwards."""
    registries = (EXTENSION_PARAMS, SETTINGS, SAMPLERS, SCHEDULES, UPSCALERS, SCRIPTS)
    before = [{one.name for one in registry} for registry in registries]
    yield
    for registry, names in zip(registries, before, strict=True):
        for one in list(registry):
            if one.name not in names and not getattr(one, "owner", "").startswith("modules."):
                registry.remove(one.name)
    for name in [name for name in sys.modules if name.startswith("easel_extensions.")]:
        del sys.modules[name]
