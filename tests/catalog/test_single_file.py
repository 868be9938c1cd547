"""A folder's tensors get the names and shapes that the published single files have: all of them, and no others."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

from modules.catalog.single_file import read_as_single_file
from tests.catalog import architectures

# What the published folders' config.json say, where it is not the libraries' own default.
SD1 = {"cross_attention_dim": 768, "attention_head_dim": 8}
SD2 = {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}
SDXL = {
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": 2048,
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
VAE = {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "latent_channels": 4}
VAE |= {f"{way}_block_types": [f"{kind}Block2D"] * 4 for way, kind in (("down", "DownEncoder"), ("up", "UpDecoder"))}


def clip(width: int, layers: int, act: str = "gelu") -> CLIPTextConfig:
    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "projection_dim": width}
    return CLIPTextConfig(num_hidden_layers=layers, num_attention_heads=width // 64, hidden_act=act, **sizes)


def networks(family: str) -> dict[str, torch.nn.Module]:
    """The folder's parts at their full size, without numbers. SD 2's text encoder lacks its last layer there."""
    with torch.device("meta"):
        parts = {"vae": AutoencoderKL(**VAE)}
        if family == "sd1":
            return parts | {
                "unet": UNet2DConditionModel(**SD1),
                "text_encoder": CLIPTextModel(clip(768, 12, "quick_gelu")),
            }
        if family == "sd2":
            return parts | {"unet": UNet2DConditionModel(**SD2), "text_encoder": CLIPTextModel(clip(1024, 23))}
        small, large = CLIPTextModel(clip(768, 12, "quick_gelu")), CLIPTextModelWithProjection(clip(1280, 32))
        return parts | {"unet": UNet2DConditionModel(**SDXL), "text_encoder": small, "text_encoder_2": large}


def write_empty(path: Path, network: torch.nn.Module) -> None:
    """A file of the network's tensors that takes no room on the disk: it has a hole where its numbers belong."""
    table, end = {}, 0
    for name, tensor in network.named_parameters():
        begin, end = end, end + tensor.numel() * 4
        table[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(table).encode()
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_a_folder_of_full_size_has_the_tensors_of_the_single_file(family: str, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    for name, network in networks(family).items():
        write_empty(
            tmp_path / name / f"{'model' if 'text' in name else 'diffusion_pytorch_model'}.safetensors", network
        )
        if name == "text_encoder":
            (tmp_path / name / "config.json").write_text(json.dumps({"hidden_act": network.config.hidden_act}))
    published = getattr(architectures, family)()
    published.pop("cond_stage_model.model.text_projection", None)  # SD 2's is not in folders: nothing reads it
    assert read_as_single_file(tmp_path).shapes == published
