"""Folders as diffusers writes them load to the same networks as the single file of the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

from modules.catalog.scan import examine
from modules.core.errors import UserError
from modules.weights.load import load_checkpoint, with_vae
from tests.weights.test_parity import CLIP, UNET, VAE

VOCABULARY = {"vocab_size": 300, "num_hidden_layers": 2}
OPEN_CLIP = CLIP | VOCABULARY | {"hidden_act": "gelu", "projection_dim": 32}
SD2 = UNET | {
    "block_out_channels": [64, 128],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "use_linear_projection": True,
    "attention_head_dim": [1, 2],
}
SMALL_VAE = VAE | {
    "block_out_channels": [32, 64],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
}
SDXL = SD2 | {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 32 + 6 * 256,
    "cross_attention_dim": 128,
    "transformer_layers_per_block": [2, 1],
}


def written(folder: Path, pipeline: str, parts: dict[str, torch.nn.Module], **scheduler: object) -> Path:
    """A folder of these parts, saved by their own libraries."""
    torch.manual_seed(0)
    for name, part in parts.items():
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, 0, 0.05)
        part.save_pretrained(folder / name)
    (folder / "scheduler").mkdir(parents=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    return folder


@pytest.fixture(scope="module")
def sd1(tmp_path_factory) -> tuple[Path, dict[str, torch.nn.Module]]:
    parts = {
        "unet": UNet2DConditionModel(**UNET).eval(),
        "vae": AutoencoderKL(**VAE).eval(),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**CLIP | VOCABULARY)).eval(),
    }
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
    same(weights.unet.half(), parts["unet"].half())
    parts["unet"].float()
    assert (weights.prediction, weights.declared.zero_terminal_snr) == ("v_prediction", True)


@pytest.mark.parametrize("refiner", [False, True], ids=["base", "refiner"])
def test_a_folder_of_sdxl_has_its_text_encoders_in_their_places(tmp_path: Path, refiner: bool) -> None:
    large = CLIPTextModelWithProjection(CLIPTextConfig(**OPEN_CLIP))
    small = {} if refiner else {"text_encoder": CLIPTextModel(CLIPTextConfig(**CLIP | VOCABULARY))}
    unet = SDXL | ({"projection_class_embeddings_input_dim": 32 + 5 * 256} if refiner else {})
    parts = {"unet": UNet2DConditionModel(**unet), "vae": AutoencoderKL(**SMALL_VAE), **small, "text_encoder_2": large}
    weights = load_checkpoint(written(tmp_path / "x", "StableDiffusionXLPipeline", parts))
    assert weights.family.id == "sdxl"
    same(weights.unet, parts["unet"])
    same(weights.text_encoder.large.clip, large.text_model)
    assert torch.equal(weights.text_encoder.large.text_projection.weight, large.text_projection.weight)
    if refiner:
        assert weights.text_encoder.small is None
    else:
        same(weights.text_encoder.small, parts["text_encoder"])


def test_a_folder_of_stable_diffusion_2_is_told_by_its_text_encoder(tmp_path: Path) -> None:
    parts = {
        "unet": UNet2DConditionModel(**SD2),
        "vae": AutoencoderKL(**SMALL_VAE),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**OPEN_CLIP)),
    }
    weights = load_checkpoint(written(tmp_path / "x", "StableDiffusionPipeline", parts, prediction_type="v_prediction"))
    assert (weights.family.id, weights.prediction) == ("sd2", "v_prediction")
    same(weights.text_encoder, parts["text_encoder"])


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
