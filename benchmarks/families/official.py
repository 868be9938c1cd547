"""The published configurations, and networks of diffusers and transformers built from them with a file's weights.

Nothing here is shared with the loader that is compared: configurations are those on the models' pages, names are
converted by diffusers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import safe_open
from torch import Tensor
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

from .files import lightning

Config = dict[str, Any]
State = dict[str, Tensor]

ATTENDING, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
ATTENDING_UP, PLAIN_UP = "CrossAttnUpBlock2D", "UpBlock2D"

SD1: Config = {
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 768,
    "down_block_types": [ATTENDING, ATTENDING, ATTENDING, PLAIN],
    "in_channels": 4,
    "layers_per_block": 2,
    "sample_size": 64,
    "up_block_types": [PLAIN_UP, ATTENDING_UP, ATTENDING_UP, ATTENDING_UP],
}
SD2: Config = SD1 | {
    "attention_head_dim": [5, 10, 20, 20],
    "cross_attention_dim": 1024,
    "sample_size": 96,
    "use_linear_projection": True,
}
SDXL: Config = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "down_block_types": [PLAIN, ATTENDING, ATTENDING],
    "layers_per_block": 2,
    "projection_class_embeddings_input_dim": 2816,
    "sample_size": 128,
    "transformer_layers_per_block": [1, 2, 10],
    "up_block_types": [ATTENDING_UP, ATTENDING_UP, PLAIN_UP],
    "use_linear_projection": True,
}
REFINER: Config = SDXL | {
    "attention_head_dim": [6, 12, 24, 24],
    "block_out_channels": [384, 768, 1536, 1536],
    "cross_attention_dim": 1280,
    "down_block_types": [PLAIN, ATTENDING, ATTENDING, PLAIN],
    "projection_class_embeddings_input_dim": 2560,
    "transformer_layers_per_block": 4,
    "up_block_types": [PLAIN_UP, ATTENDING_UP, ATTENDING_UP, PLAIN_UP],
}
UNETS: dict[str, Config] = {
    "sd1": SD1,
    "sd1 inpainting": SD1 | {"in_channels": 9},
    "sd2": SD2,
    "sd2 inpainting": SD2 | {"in_channels": 9, "sample_size": 64},
    "sdxl": SDXL,
    "refiner": REFINER,
}
VAE: Config = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "latent_channels": 4,
    "layers_per_block": 2,
    "sample_size": 512,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
CLIP_L: Config = {
    "hidden_act": "quick_gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
}
OPEN_CLIP_H: Config = {  # SD 2's: the published one has 23 of 24 layers, since the last is not read
    "hidden_act": "gelu",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 23,
    "projection_dim": 512,
}
OPEN_CLIP_BIG_G: Config = {
    "hidden_act": "gelu",
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "projection_dim": 1280,
}


def tensors(path: Path, wanted: Callable[[str], bool]) -> State:
    """The tensors of a file that are wanted, in float32, read by safetensors' or torch's own means."""
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name).float() for name in file.keys() if wanted(name)}  # noqa: SIM118
    with lightning() as checkpointing, torch.serialization.safe_globals([checkpointing]):
        stored = torch.load(path, map_location="cpu", mmap=True, weights_only=True)["state_dict"]
    return {name: tensor.float() for name, tensor in stored.items() if wanted(name)}


def unet(path: Path, config: Config) -> UNet2DConditionModel:
    with torch.device("meta"):
        network = UNet2DConditionModel(**config)
    stored = tensors(path, lambda name: name.startswith("model.diffusion_model."))
    network.load_state_dict(convert_ldm_unet_checkpoint(stored, network.config), assign=True)
    return network.eval()


def vae(path: Path, scale: float) -> AutoencoderKL:
    """`path`: a checkpoint, or a file that holds a VAE alone."""
    with torch.device("meta"):
        network = AutoencoderKL(**VAE, scaling_factor=scale)
    alone = ".vae." in path.name
    prefixes = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.") if alone else ("first_stage_model.",)
    stored = tensors(path, lambda name: name.startswith(prefixes))
    network.load_state_dict(convert_ldm_vae_checkpoint(stored, network.config), assign=True)
    return network.eval()


def clip(path: Path, prefix: str) -> CLIPTextModel:
    """OpenAI's CLIP ViT-L, whose tensors have transformers' names under `prefix`."""
    encoder = CLIPTextModel(CLIPTextConfig(**CLIP_L))
    stored = tensors(path, lambda name: name.startswith(prefix) and not name.endswith("position_ids"))
    encoder.load_state_dict({name.removeprefix(prefix): tensor for name, tensor in stored.items()})
    return encoder.eval()


def open_clip(path: Path, prefix: str, config: Config, *, projected: bool) -> CLIPTextModel:
    kind = CLIPTextModelWithProjection if projected else CLIPTextModel
    encoder = kind(CLIPTextConfig(**config)).eval()
    state = convert_open_clip_checkpoint(encoder, tensors(path, lambda name: name.startswith(prefix)), prefix)
    own = encoder.state_dict().keys()
    trimmed = {name if name in own else name.removeprefix("text_model."): value for name, value in state.items()}
    encoder.load_state_dict({name: value for name, value in trimmed.items() if name in own})
    return encoder
