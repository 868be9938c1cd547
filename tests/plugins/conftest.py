"""Extensions made up by a test, and everything they declared taken back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.declarations import declarations_taken_back

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def clean_declarations() -> Iterator[None]:
    """Whatever a test's extensions declare is gone when it ends."""
    with declarations_taken_back():
        yield


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
