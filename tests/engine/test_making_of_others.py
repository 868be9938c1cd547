"""New model files made of what is not an ordinary single file: diffusers' folders, and a UNet that is only smoothed."""

from __future__ import annotations

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from modules.catalog.contents import UNET, twin_of
from modules.text.chunks import Chunk
from modules.weights.load import load_checkpoint
from modules.weights.lora.file import read_lora
from modules.weights.lora.merge import Wanted, merge
from tests.diffusers_folders import parts_of, written
from tests.lora import write_lora
from tests.open_clip import sd2_shapes, sdxl_shapes
from tests.toy import write_random, write_toy_checkpoint

VAE = "first_stage_model."
OPEN_CLIP = {"sd2": "cond_stage_model.model.", "sdxl": "conditioner.embedders.1.model."}


@pytest.fixture
def folder(request, tmp_path):
    """A diffusers folder of a family; its name has a dot."""
    parts = parts_of(request.param, vocab_size=49408)
    return written(tmp_path / f"{request.param}-1.5", "StableDiffusionPipeline", parts, prediction_type="v_prediction")


def outputs(weights):
    """What each network of a model makes of the same numbers. Its weights are moved to fresh memory: where numbers lie
    in their file decides which kernels multiply them, and so their last bits.
    """
    for parameter in (*weights.unet.parameters(), *weights.vae.parameters(), *weights.text_encoder.parameters()):
        parameter.data = parameter.data.clone()
    random = torch.Generator().manual_seed(1)
    chunk = Chunk((49406, 320, 525, *[49407] * 74), (1.0,) * 77)
    conditioning = weights.encode([chunk])
    told = conditioning if isinstance(conditioning, dict) else {"text": conditioning}
    if "pooled" in told:
        width = weights.unet.config.projection_class_embeddings_input_dim - told["pooled"].shape[1]
        told = {**told, "sizes": torch.full((1, width // 256), 64.0)}
    latents = torch.randn(1, 4, 16, 16, generator=random)
    yield from told.values()
    yield weights.predict(latents, torch.tensor([500.0]), told)
    yield weights.decode(latents)
    yield weights.encode_image(torch.rand(1, 3, 64, 64, generator=random) * 2 - 1)


@pytest.mark.parametrize("folder", ["sd1", "sd2", "sdxl", "refiner"], indirect=True)
def test_a_folder_becomes_one_file_that_computes_the_same_to_the_bit(folder, made):
    path = made("convert", folder)
    ours, theirs = load_checkpoint(path), load_checkpoint(folder)
    assert (ours.family, ours.prediction) == (theirs.family, "v_prediction")
    assert all(one.equal(other) for one, other in zip(outputs(ours), outputs(theirs), strict=True))
    with safe_open(path, "pt") as file:
        assert f'"name": "{folder.name}"' in file.metadata()["easel.recipe"]
    half = load_file(
        made("convert", folder, dtype="fp16", target=str(made.folder / "half.safetensors")).with_name(
            "half.safetensors"
        )
    )
    assert {tensor.dtype for tensor in half.values()} == {torch.float16}


@pytest.mark.parametrize("folder", ["sd2", "sdxl"], indirect=True)
def test_a_lora_and_a_vae_are_baked_into_a_folder_as_the_engine_merges_them(folder, made, tmp_path):
    weights = load_checkpoint(folder)
    lora = write_lora(tmp_path / "lora.safetensors", weights)
    merge(weights, [Wanted(read_lora(lora), 0.5, 0.8)])
    vae = made("extract VAE", folder).rename(tmp_path / "vae.safetensors")
    louder = {name: tensor * 2 for name, tensor in load_file(vae).items()}
    save_file(louder, vae)
    loras = [{"name": str(lora), "weight": 0.5, "unet": 0.8}]
    path = made("merge", folder, method="No interpolation", loras=loras, vae=str(vae))
    baked, stored = load_checkpoint(path), load_file(path)
    for network in ("unet", "text_encoder"):
        ours, theirs = getattr(baked, network).state_dict(), getattr(weights, network).state_dict()
        assert all(ours[name].equal(theirs[name]) for name in theirs)
    assert all(stored[VAE + name].equal(louder[name]) for name in louder)
    assert "transformer.resblocks.0.attn.q_proj.weight" not in "".join(stored)


@pytest.mark.parametrize("folder", ["sd1", "sd2", "sdxl"], indirect=True)
def test_a_folder_and_a_file_are_mixed_each_way(folder, made, tmp_path):
    a = load_file(made("convert", folder))
    other = {name: torch.randn_like(tensor) for name, tensor in a.items()}
    with safe_open(made.folder / "new.safetensors", "pt") as file:
        save_file(other, tmp_path / "b.safetensors", file.metadata())
    (made.folder / "new.safetensors").unlink()
    half = {"method": "Weighted sum", "multiplier": 0.5}
    mixed = load_file(made("merge", folder, second=tmp_path / "b", **half))
    assert mixed.keys() == a.keys()
    assert all(mixed[name].equal(a[name] * 0.5 + other[name] * 0.5) for name in a)
    (made.folder / "new.safetensors").unlink()
    back = made(
        "merge",
        tmp_path / "b.safetensors",
        third=tmp_path / "b",
        method="No interpolation",
        vae=str(tmp_path / "b.safetensors"),
    )
    assert load_file(back).keys() == a.keys()


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_a_unet_that_is_there_only_smoothed_loads_converts_and_merges_like_the_plain_one(family, made, tmp_path):
    plain = tmp_path / "plain.safetensors"
    if family == "sd1":
        write_toy_checkpoint(plain)
    else:
        shapes = {"sd2": sd2_shapes, "sdxl": sdxl_shapes}[family]()
        write_random(plain, {name: (300, *shape[1:]) if 49408 in shape else shape for name, shape in shapes.items()})
    tensors = load_file(plain)
    with safe_open(plain, "pt") as file:
        told = file.metadata()
    smoothed = {twin_of(name) if name.startswith(UNET) else name: one for name, one in tensors.items()}
    save_file(smoothed | {"model_ema.decay": torch.tensor(0.9)}, tmp_path / "ema.safetensors", told)
    ours, theirs = load_checkpoint(tmp_path / "ema.safetensors"), load_checkpoint(plain)
    assert all(map(torch.equal, ours.unet.parameters(), theirs.unet.parameters()))
    converted = load_file(made("convert", tmp_path / "ema.safetensors"))
    assert converted.keys() == tensors.keys() and all(converted[name].equal(tensors[name]) for name in tensors)
    (made.folder / "new.safetensors").unlink()
    mixed = load_file(made("merge", plain, second=tmp_path / "ema", method="Weighted sum", multiplier=0.5))
    assert all(mixed[name].equal(tensors[name]) for name in tensors)
