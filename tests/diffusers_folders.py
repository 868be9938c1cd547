"""Diffusers' folders in miniature, saved by the libraries themselves."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

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


def parts_of(family: str, **text: int) -> dict[str, torch.nn.Module]:
    """The networks of "sd1", "sd2", "sdxl" or its "refiner"; `text`: what is different in the text encoders."""
    small = {"text_encoder": CLIPTextModel(CLIPTextConfig(**CLIP | VOCABULARY | text)).eval()}
    if family == "sd1":
        return {"unet": UNet2DConditionModel(**UNET).eval(), "vae": AutoencoderKL(**VAE).eval(), **small}
    vae = {"vae": AutoencoderKL(**SMALL_VAE).eval()}
    if family == "sd2":
        encoder = CLIPTextModel(CLIPTextConfig(**OPEN_CLIP | text)).eval()
        return {"unet": UNet2DConditionModel(**SD2).eval(), **vae, "text_encoder": encoder}
    alone = {"projection_class_embeddings_input_dim": 32 + 5 * 256, "cross_attention_dim": 64}
    told = alone if family == "refiner" else {}
    large = CLIPTextModelWithProjection(CLIPTextConfig(**OPEN_CLIP | text)).eval()
    unet = UNet2DConditionModel(**SDXL | told).eval()
    return {"unet": unet, **vae, **({} if family == "refiner" else small), "text_encoder_2": large}
