"""Tensors are read where they lie in their file, as long as that is the one whose header was read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modules.catalog.open import read_tensors
from modules.core.errors import UserError
from modules.weights import load
from modules.weights.tensors import Mapped, read_all
from tests.toy import write_toy_checkpoint


def test_a_file_that_became_shorter_since_its_header_was_read_is_refused_by_name(tmp_path: Path) -> None:
    path = write_toy_checkpoint(tmp_path / "short.safetensors")
    header = read_tensors(path)
    os.truncate(path, path.stat().st_size // 2)
    for read in (Mapped, read_all):
        with pytest.raises(UserError, match=r"short\.safetensors changed meanwhile"):
            read(header)


def test_a_checkpoint_that_becomes_shorter_while_it_is_loaded_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_toy_checkpoint(tmp_path / "short.safetensors")
    fill = load.fill

    def too_late(*arguments: object, **options: object) -> object:
        os.truncate(path, 100_000)
        return fill(*arguments, **options)

    monkeypatch.setattr(load, "fill", too_late)
    with pytest.raises(UserError, match=r"short\.safetensors changed meanwhile"):
        load.load_checkpoint(path)
