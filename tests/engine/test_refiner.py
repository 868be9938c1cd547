"""Another checkpoint for the last steps, or for the second pass."""

from __future__ import annotations

import gc
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from modules.catalog.header import read_header
from modules.core.hooks import Hooks
from modules.core.infotext import read
from modules.core.sections.refiner import PASSES
from modules.engine.engine import Engine
from tests.conftest import folders_in
from tests.toy import write_toy_checkpoint

from .conftest import pictures, told


@pytest.fixture(scope="module")
def two(tmp_path_factory, toy_checkpoint):
    folder = tmp_path_factory.mktemp("two")
    (folder / "models").mkdir()
    folders = folders_in(folder / "data", Path(shutil.copy(toy_checkpoint, folder / "models" / "toy.safetensors")))
    write_toy_checkpoint(folders.checkpoints[0] / "other.safetensors", seed=5)
    engine = Engine(folders, Hooks())
    yield engine
    engine.close()


def pixels(engine, **values):
    return pictures(told(engine, **{"steps": 6, "sampler": "Euler", "checkpoint": "toy", **values}))[0]


def test_the_refiner_paints_the_last_steps(two):
    calls = []
    alone, other = pixels(two), pixels(two, checkpoint="other")
    refined = pixels(two, refiner_checkpoint="other", refiner_switch_at=0.5)
    two._model.weights.unet.register_forward_hook(lambda *_: calls.append("first"))
    two._second.weights.unet.register_forward_hook(lambda *_: calls.append("second"))
    again = pixels(two, refiner_checkpoint="other", refiner_switch_at=0.5, refiner_switch_by_sample_steps=True)
    assert calls == ["first"] * 3 + ["second"] * 3
    for one in (alone, other):
        assert (refined.pixels != one.pixels).any()
    assert "Refiner: other [" in refined.infotext
    assert "Refiner switch at: 0.5" in refined.infotext
    assert "Refiner switch by sampling steps: True" in again.infotext


def test_switching_at_once_is_the_refiner_alone_and_at_the_end_is_the_checkpoint_alone(two):
    pixels(two, refiner_checkpoint="other")
    calls = []
    two._model.weights.unet.register_forward_hook(lambda *_: calls.append("first"))
    pixels(two, refiner_checkpoint="other", refiner_switch_at=0.0, refiner_switch_by_sample_steps=True)
    assert not calls
    never = pixels(two, refiner_checkpoint="other", refiner_switch_at=1.0)
    assert np.array_equal(never.pixels, pixels(two).pixels)


def test_hires_fix_has_the_refiner_in_the_pass_that_was_chosen(two):
    hires = {"enable_hr": True, "denoising_strength": 0.6, "refiner_checkpoint": "other", "refiner_switch_at": 0.4}
    made = [pixels(two, **hires, hires_fix_refiner_pass=one).pixels for one in PASSES]
    assert (made[0] != made[1]).any()
    assert (made[1] != made[2]).any()


def test_the_second_pass_may_have_a_checkpoint_of_its_own(two):
    hires = {"enable_hr": True, "denoising_strength": 0.6}
    picture = pixels(two, **hires, hr_checkpoint_name="other")
    assert (picture.pixels != pixels(two, **hires).pixels).any()
    assert "Hires checkpoint: other [" in picture.infotext
    assert read(picture.infotext).values["hr_checkpoint_name"].startswith("other [")


def test_a_vae_that_is_chosen_later_is_the_second_checkpoints_too(two):
    hires = {"enable_hr": True, "denoising_strength": 0.6, "hr_checkpoint_name": "other"}
    tensors = load_file(two._folders.checkpoints[0] / "other.safetensors")
    vae = {name: tensor for name, tensor in tensors.items() if name.startswith("first_stage_model.")}
    vae["first_stage_model.decoder.conv_out.bias"] += 0.5
    two._folders.vaes[0].mkdir(parents=True, exist_ok=True)
    header = read_header(two._folders.checkpoints[0] / "other.safetensors")
    save_file(vae, two._folders.vaes[0] / "bright.safetensors", header.metadata)
    own = pixels(two, **hires)
    assert pixels(two, **hires, vae="bright").pixels.mean() > own.pixels.mean() + 20


def test_a_refiner_is_let_go_with_its_checkpoint_where_none_is_to_be_kept(two, monkeypatch):
    monkeypatch.setattr(two._loader, "_budget", lambda: 0)
    pixels(two, refiner_checkpoint="other", refiner_switch_at=0.5)
    refiner = weakref.ref(two._second.weights.unet)
    write_toy_checkpoint(two._folders.checkpoints[0] / "third.safetensors", seed=6)
    pixels(two, checkpoint="third")
    gc.collect()
    assert refiner() is None
