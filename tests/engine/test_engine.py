"""Opening checkpoints, and surviving those that cannot be opened."""

from __future__ import annotations

import shutil

import pytest
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from modules.catalog.beside import write_card
from modules.catalog.header import read_header
from modules.core.errors import UserError
from modules.core.events import LoadingModel, ModelLoaded
from modules.core.hooks import Hooks
from modules.weights import residency
from tests.diffusers_folders import parts_of, written
from tests.toy import write_toy_checkpoint
from tests.weights.test_parity import UNET

from .conftest import pictures, told


@pytest.fixture
def shelf(folders, tmp_path, toy_checkpoint):
    """A checkpoint folder of one's own with the toy in it."""
    from dataclasses import replace

    shelf = tmp_path / "shelf"
    shelf.mkdir()
    shutil.copy(toy_checkpoint, shelf / "toy.safetensors")
    return shelf, replace(folders, checkpoints=(shelf,))


@pytest.fixture
def shelf_engine(shelf):
    from modules.engine.engine import Engine

    engine = Engine(shelf[1], Hooks())
    yield engine
    engine.close()


def test_loading_is_told_with_what_the_model_recommends(shelf_engine):
    events = []
    shelf_engine.load("", "Automatic", events.append)
    loading, loaded = events
    assert isinstance(loading, LoadingModel) and loading.model == "toy"
    assert isinstance(loaded, ModelLoaded) and loaded.native_size == 64
    assert loaded.recommended == {"steps": 4, "cfg_scale": 5.0, "sampler": "Euler"}


def test_a_loaded_model_is_not_loaded_again(shelf_engine):
    assert any(isinstance(event, ModelLoaded) for event in told(shelf_engine))
    assert not any(isinstance(event, ModelLoaded) for event in told(shelf_engine, checkpoint="toy"))


def test_names_that_were_queued_before_the_engine_was_there_are_spelt_as_it_does(shelf_engine):
    request = {"sampler": "euler A", "schedule": "karras", "enable_hr": True, "hr_upscaler": "Latent"}
    first = pictures(told(shelf_engine, **request, hr_sampler_name="HEUN"))[0]
    assert "Sampler: Euler a, Schedule type: Karras, " in first.infotext
    assert "Hires sampler: Heun" in first.infotext


def test_after_a_job_what_loading_left_over_goes_back_to_the_system(shelf_engine, monkeypatch):
    given = []
    monkeypatch.setattr(residency, "give_pages_back", lambda: given.append(True))
    for _ in range(2):
        told(shelf_engine, checkpoint="toy")
    assert given == [True]


def test_a_checkpoint_that_changed_on_disk_is_loaded_again(shelf, shelf_engine):
    first = pictures(told(shelf_engine, checkpoint="toy"))[0]
    write_toy_checkpoint(shelf[0] / "toy.safetensors", seed=1)
    again = pictures(told(shelf_engine, checkpoint="toy"))[0]
    assert first.facts.model_hash != again.facts.model_hash


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("page", b"<!DOCTYPE html><html>not found</html>", "web page"),
        ("empty", b"", "empty|0 bytes"),
        ("text", b"hello, this is not a model at all", "text.safetensors"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused_and_the_loaded_one_goes_on(shelf, shelf_engine, name, content, word):
    told(shelf_engine, checkpoint="toy")
    (shelf[0] / f"{name}.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=word):
        told(shelf_engine, checkpoint=name)
    before = shelf_engine._loader.open(shelf[0] / "toy.safetensors")
    assert pictures(told(shelf_engine, checkpoint="toy"))
    assert shelf_engine._loader.open(shelf[0] / "toy.safetensors") is before


def test_a_truncated_checkpoint_is_refused_by_name(shelf, shelf_engine, toy_checkpoint):
    whole = toy_checkpoint.read_bytes()
    (shelf[0] / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"half\.safetensors"):
        told(shelf_engine, checkpoint="half")


def test_nan_weights_are_one_sentence_and_the_next_job_works(shelf, shelf_engine, toy_checkpoint):
    tensors = load_file(toy_checkpoint)
    tensors["model.diffusion_model.out.2.bias"].fill_(float("nan"))
    save_file(tensors, shelf[0] / "broken.safetensors", read_header(toy_checkpoint).metadata)
    with pytest.raises(UserError, match="NaN"):
        told(shelf_engine, checkpoint="broken")
    assert pictures(told(shelf_engine, checkpoint="toy"))


def test_an_unknown_checkpoint_or_sampler_is_named_with_what_there_is(engine):
    with pytest.raises(UserError, match=r"no model called 'nothing'.*toy"):
        told(engine, checkpoint="nothing")
    with pytest.raises(UserError, match=r"no sampler called 'Eular'.*Euler"):
        told(engine, sampler="Eular")


def test_an_empty_models_folder_says_where_to_put_a_file(folders, hooks, tmp_path):
    from dataclasses import replace

    from modules.engine.engine import Engine

    engine = Engine(replace(folders, checkpoints=(tmp_path,)), hooks)
    with pytest.raises(UserError, match="no checkpoint to paint with"):
        told(engine)
    engine.close()


def test_a_vae_file_is_used_and_named_in_the_text(shelf, shelf_engine, toy_checkpoint):
    prefix = "first_stage_model."
    vae = {name.removeprefix(prefix): tensor for name, tensor in load_file(toy_checkpoint).items() if prefix in name}
    vae["decoder.conv_out.bias"] = vae["decoder.conv_out.bias"] + 0.5
    (shelf[1].models / "VAE").mkdir(parents=True, exist_ok=True)
    save_file(vae, shelf[1].vaes[0] / "bright.safetensors", read_header(toy_checkpoint).metadata)
    own = pictures(told(shelf_engine))[0]
    bright = pictures(told(shelf_engine, vae="bright"))[0]
    assert bright.pixels.mean() > own.pixels.mean() + 20
    assert "VAE: bright.safetensors" in bright.infotext and "VAE:" not in own.infotext


def test_the_vae_that_the_owner_prefers_is_taken_as_soon_as_it_is_chosen(shelf, shelf_engine, toy_checkpoint):
    prefix = "first_stage_model."
    vae = {name.removeprefix(prefix): tensor for name, tensor in load_file(toy_checkpoint).items() if prefix in name}
    save_file(vae, shelf[1].vaes[0] / "soft.safetensors", read_header(toy_checkpoint).metadata)
    assert "VAE:" not in pictures(told(shelf_engine, checkpoint="toy"))[0].infotext
    write_card(shelf[0] / "toy.safetensors", {"vae": "soft.safetensors"})
    assert "VAE: soft.safetensors" in pictures(told(shelf_engine, checkpoint="toy"))[0].infotext
    assert "VAE:" not in pictures(told(shelf_engine, checkpoint="toy", vae="None"))[0].infotext


def test_a_diffusers_folder_is_loaded_once(shelf, shelf_engine):
    told_by_its_width = {"unet": UNet2DConditionModel(**UNET | {"cross_attention_dim": 768})}
    written(shelf[0] / "thin", "StableDiffusionPipeline", parts_of("sd1") | told_by_its_width)
    events = []
    for _ in range(2):
        shelf_engine.load("thin", "Automatic", events.append)
    assert [type(event) for event in events] == [LoadingModel, ModelLoaded]
