"""Folders as diffusers writes them load to the same networks as the single file of the same weights."""

from __future__ import annotations

import shutil
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from modules.catalog.folders import weights_of
from modules.catalog.scan import examine
from modules.core.errors import UserError
from modules.text.chunks import Chunk
from modules.weights.load import load_checkpoint, with_vae
from tests.diffusers_folders import parts_of, written


@pytest.fixture(scope="module")
def sd1(tmp_path_factory) -> tuple[Path, dict[str, torch.nn.Module]]:
    parts = parts_of("sd1")
    return written(tmp_path_factory.mktemp("folders") / "thin-1.5", "StableDiffusionPipeline", parts), parts


def same(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    """Every parameter, to the bit."""
    expected = {name.removeprefix("text_model."): tensor for name, tensor in theirs.named_parameters()}
    found = dict(ours.named_parameters())
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name].flatten(), expected[name].flatten()) for name in expected)


def test_a_folder_of_stable_diffusion_1_computes_what_its_parts_do(sd1, noise) -> None:
    folder, parts = sd1
    weights = load_checkpoint(folder)
    assert (weights.family.id, weights.path) == ("sd1", folder)
    for name in parts:
        same(getattr(weights, name), parts[name])
    latents, text, moment = noise(1, 4, 16, 8), noise(1, 77, 64), torch.tensor([500.0])
    with torch.inference_mode():
        expected = parts["unet"](latents, moment, text).sample
    torch.testing.assert_close(weights.predict(latents, moment, text), expected, rtol=0, atol=1e-5)
    assert torch.equal(with_vae(weights, None).vae.decoder.conv_in.weight, weights.vae.decoder.conv_in.weight)
    name, shape = "mid_block.attentions.0.proj_in.weight", (128, 128, 1, 1)
    assert torch.equal(dict(weights.stored["unet"].read({name: shape}))[name], weights.unet.get_parameter(name))


def test_a_spread_fp16_and_old_fashioned_folder_loads_likewise(sd1, tmp_path: Path) -> None:
    folder, parts = sd1
    copy = tmp_path / "spread"
    written(copy, "StableDiffusionPipeline", {}, prediction_type="v_prediction", rescale_betas_zero_snr=True)
    for name in parts:
        (copy / name).mkdir()
        (copy / name / "config.json").write_bytes((folder / name / "config.json").read_bytes())
    tensors = sorted(load_file(folder / "unet" / "diffusion_pytorch_model.safetensors").items())
    for number in range(2):
        save_file(
            {name: one.half() for name, one in tensors[number::2]},
            copy / "unet" / f"diffusion_pytorch_model.fp16-0000{number + 1}-of-00002.safetensors",
        )
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    for ours, theirs in old.items():
        vae = {name.replace(f".{ours}.", f".{theirs}."): one for name, one in vae.items()}
    torch.save(vae, copy / "vae" / "diffusion_pytorch_model.bin")
    save_file(load_file(folder / "text_encoder" / "model.safetensors"), copy / "text_encoder" / "model.safetensors")
    weights = load_checkpoint(copy)
    same(weights.vae, parts["vae"])
    same(weights.text_encoder, parts["text_encoder"])
    same(weights.unet, deepcopy(parts["unet"]).half().float())
    assert (weights.prediction, weights.declared.zero_terminal_snr) == ("v_prediction", True)


@pytest.mark.parametrize("refiner", [False, True], ids=["base", "refiner"])
def test_a_folder_of_sdxl_has_its_text_encoders_in_their_places(tmp_path: Path, refiner: bool) -> None:
    parts = parts_of("refiner" if refiner else "sdxl")
    large = parts["text_encoder_2"]
    weights = load_checkpoint(written(tmp_path / "x", "StableDiffusionXLPipeline", parts))
    assert weights.family.id == "sdxl"
    same(weights.unet, parts["unet"])
    same(weights.text_encoder.large.clip, large.text_model)
    assert torch.equal(weights.text_encoder.large.text_projection.weight, large.text_projection.weight)
    if refiner:
        assert weights.text_encoder.small is None
    else:
        same(weights.text_encoder.small, parts["text_encoder"])


def test_a_folder_of_stable_diffusion_2_is_told_by_its_text_encoder_whose_last_layer_is_read(tmp_path: Path) -> None:
    parts = parts_of("sd2", vocab_size=49408)
    weights = load_checkpoint(written(tmp_path / "x", "StableDiffusionPipeline", parts, prediction_type="v_prediction"))
    assert (weights.family.id, weights.prediction) == ("sd2", "v_prediction")
    same(weights.text_encoder, parts["text_encoder"])
    chunk = Chunk((49406, 320, 525, *[49407] * 74), (1.0,) * 77)
    with torch.inference_mode():
        expected = parts["text_encoder"](torch.tensor([[49406, 320, 525, 49407, *[0] * 73]])).last_hidden_state
    torch.testing.assert_close(weights.encode([chunk]), expected, rtol=0, atol=1e-5)


def test_a_folder_without_a_part_says_which(sd1, tmp_path: Path) -> None:
    folder, _ = sd1
    lame = tmp_path / "lame"
    (lame / "unet").mkdir(parents=True)
    (lame / "model_index.json").write_bytes((folder / "model_index.json").read_bytes())
    unet = "unet/diffusion_pytorch_model.safetensors"
    (lame / unet).hardlink_to(folder / unet)
    assert "without files in vae and text_encoder" in examine(lame).problem
    with pytest.raises(UserError, match="lame cannot be loaded"):
        load_checkpoint(lame)


def test_a_missing_file_of_several_is_named_and_a_complete_set_is_taken_instead(sd1, tmp_path: Path) -> None:
    folder, parts = sd1
    copy = tmp_path / "torn"
    shutil.copytree(folder, copy)
    whole = copy / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = sorted(load_file(whole).items())
    whole.unlink()
    for number in range(3):
        shard = copy / "unet" / f"diffusion_pytorch_model-0000{number + 1}-of-00003.bin"
        torch.save(dict(tensors[number::3]), shard)
    same(load_checkpoint(copy).unet, parts["unet"])
    (copy / "unet" / "diffusion_pytorch_model-00002-of-00003.bin").unlink()
    assert "unet/diffusion_pytorch_model-00002-of-00003.bin is missing" in examine(copy).problem
    with pytest.raises(UserError, match=r"torn cannot be loaded: unet/\S+-00002-of-00003\.bin is missing"):
        load_checkpoint(copy)
    save_file({name: one.half() for name, one in tensors}, copy / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    same(load_checkpoint(copy).unet, deepcopy(parts["unet"]).half().float())


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (["model.fp16.safetensors", "model.safetensors"], ["model.safetensors"]),
        (["pytorch_model.bin", "model.fp16.safetensors"], ["pytorch_model.bin"]),
        (["pytorch_model.bin", "model.safetensors", "openvino_model.bin"], ["model.safetensors"]),
        (["model.bf16.safetensors", "model.fp16.safetensors"], ["model.fp16.safetensors"]),
        (["model.non_ema.safetensors", "model.fp16.safetensors"], ["model.fp16.safetensors"]),
        (["model-00001-of-00001.fp16.safetensors", "training_args.bin"], ["model-00001-of-00001.fp16.safetensors"]),
        (["model.safetensors.index.json", "flax_model.msgpack"], []),
    ],
)
def test_of_several_variants_one_is_taken(tmp_path: Path, there: list[str], taken: list[str]) -> None:
    for name in there:
        (tmp_path / name).touch()
    assert [path.name for path in weights_of(tmp_path)] == taken
