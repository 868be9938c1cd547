"""Tensors are read where they lie in their file, as long as that is the one whose header was read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

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


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("input_blocks.1.0.out_layers.3.weight", ()),
        ("input_blocks.1.1.proj_in.weight", (0, 3)),
        ("time_embed.0.weight", (0,)),
        ("input_blocks.1.0.out_layers.3.weight", (0, 32, 3, 3)),
    ],
)
def test_shapes_that_no_network_has_are_refused_by_name(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    path = write_toy_checkpoint(tmp_path / "odd.safetensors")
    odd = {f"model.diffusion_model.{name}": np.zeros(shape, np.float16)}
    save_file(load_file(path) | odd, path, read_tensors(path).metadata)
    with pytest.raises(UserError, match=r"odd\.safetensors cannot be loaded"):
        load.load_checkpoint(path)
