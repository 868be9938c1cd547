"""A picture from each family of checkpoints: from the file on disk, through the real engine, to pixels."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from modules.core.hooks import Hooks
from modules.engine.engine import Engine
from tests.conftest import folders_in
from tests.open_clip import refiner_shapes, sd2_shapes, sdxl_shapes
from tests.toy import write_random

from .conftest import pictures, told


@pytest.mark.parametrize(
    ("name", "shapes"), [("sd2", sd2_shapes()), ("sdxl", sdxl_shapes()), ("refiner", refiner_shapes())]
)
def test_each_family_paints_with_a_long_and_with_a_blank_negative_prompt(tmp_path, name, shapes):
    path = write_random(tmp_path / f"{name}.safetensors", shapes)
    engine = Engine(folders_in(tmp_path / "data", path), Hooks())
    try:
        made = pictures(told(engine, steps=2, negative_prompt="dull " * 80))
        blank = pictures(told(engine, steps=2))
    finally:
        engine.close()
    assert made[0].pixels.shape == (64, 64, 3)
    assert made[0].pixels.std() > 1
    assert (made[0].pixels != blank[0].pixels).any()


def test_a_ckpt_paints_the_same_picture_as_its_safetensors(tmp_path):
    path = write_random(tmp_path / "plain.safetensors", sd2_shapes())
    pickled = tmp_path / "plain.ckpt"
    torch.save({"state_dict": load_file(path)}, pickled)
    drawn = []
    for number, file in enumerate((path, pickled)):
        engine = Engine(folders_in(tmp_path / str(number), file), Hooks())
        try:
            drawn.append(pictures(told(engine, steps=1))[0].pixels)
        finally:
            engine.close()
    assert (drawn[0] == drawn[1]).all()
