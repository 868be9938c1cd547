"""The exported file: SD1's names, the declared architecture, and the same numbers after loading."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from tools.starter_model.denoiser import Denoiser
from tools.starter_model.export import export, load_exported
from tools.starter_model.presets import CPU_128
from tools.starter_model.text import CaptionTokens, build_text_encoder
from tools.starter_model.vae import as_tensor, build_vae, fold_scale, linear_start, quiet_residuals
from tools.starter_model.vae_training import drawn_pool

TINY = replace(
    CPU_128,
    vae_channels=(8, 8, 16, 16),
    unet_channels=(8, 16),
    unet_attention=(False, True),
    unet_heads=2,
    text_width=8,
    text_heads=2,
    text_layers=1,
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Denoiser, CaptionTokens]:
    torch.manual_seed(0)
    tokens, path = CaptionTokens(), tmp_path_factory.mktemp("model") / "tiny.safetensors"
    denoiser = Denoiser(TINY, build_text_encoder(TINY, 1 + len(tokens.known))).eval()
    export(TINY, denoiser, tokens, build_vae(TINY), path)
    return path, denoiser, tokens


def test_the_file_has_the_names_and_shapes_of_stable_diffusion_1(exported: tuple) -> None:
    with safe_open(exported[0], framework="pt") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    assert shapes["model.diffusion_model.input_blocks.0.0.weight"] == [8, 4, 3, 3]
    assert shapes["model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight"] == [16, 8]
    assert shapes["model.diffusion_model.output_blocks.1.2.conv.weight"] == [16, 16, 3, 3]
    assert shapes["first_stage_model.decoder.mid.attn_1.q.weight"] == [16, 16, 1, 1]
    assert shapes["first_stage_model.encoder.down.0.downsample.conv.weight"] == [8, 8, 3, 3]
    assert shapes["cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"] == [49408, 8]


def test_the_file_declares_what_shapes_cannot_tell(exported: tuple) -> None:
    with safe_open(exported[0], framework="pt") as file:
        declared = json.loads(file.metadata()["webui.architecture"])
    assert declared["unet"] == {"num_attention_heads": 2, "norm_num_groups": 8}
    assert declared["vae"] == {"norm_num_groups": 1}
    assert declared["text_encoder"] == {"num_attention_heads": 2, "hidden_act": "quick_gelu"}
    assert (declared["native_size"], declared["prediction_type"]) == (128, "epsilon")
    assert len(declared["preview"]["factors"]) == 4


def test_the_loaded_networks_predict_what_the_trained_ones_do(exported: tuple) -> None:
    path, denoiser, tokens = exported
    modules = load_exported(path)
    x, t, prompt = torch.randn(1, 4, 8, 8), torch.tensor([500]), "a red house, zeppelin"
    with torch.no_grad():
        trained = denoiser(x, t, torch.tensor([tokens.rows(prompt)]))
        loaded = modules.noise(x, 500, modules.context([prompt]))
    assert torch.allclose(trained, loaded, atol=5e-3)


def test_the_autoencoder_starts_as_block_means_with_right_colours() -> None:
    torch.manual_seed(0)
    vae = build_vae(CPU_128).eval()
    quiet_residuals(vae)
    linear_start(vae)
    pictures = drawn_pool(CPU_128, 6, seed=3)
    fold_scale(vae, pictures, "cpu")
    x = as_tensor(pictures, "cpu")
    with torch.no_grad():
        z = vae.encode(x).latent_dist.mean
        blocks = torch.nn.functional.avg_pool2d(vae.decode(z).sample, 8)
    assert torch.allclose((z * 0.18215).std((0, 2, 3)), torch.ones(4), atol=0.02)
    assert (blocks - torch.nn.functional.avg_pool2d(x, 8)).abs().mean() < 0.12
