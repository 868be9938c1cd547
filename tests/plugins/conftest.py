"""Extensions made up by a test, and everything they declared taken back afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from modules.core.params import EXTENSION_PARAMS
from modules.core.registry import SAMPLERS, SCHEDULES, UPSCALERS
from modules.core.scripts import SCRIPTS
from modules.core.settings import SETTINGS

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def clean_declarations() -> Iterator[None]:
    """Whatever a test's extensions declare is gone when it ends."""
    with declarations_taken_back():
        yield


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


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an extension into `tmp_path/extensions`: its name, its code, and other files by name."""

    def written(name: str, code: str, **files: str) -> Path:
        folder = tmp_path / "extensions" / name
        folder.mkdir(parents=True)
        for file, text in {"extension": code, **files}.items():
            (folder / f"{file}.py").write_text(text, encoding="utf-8")
        return folder.parent

    return written
