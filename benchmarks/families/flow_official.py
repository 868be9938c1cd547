"""The published configurations of SD 3, SD 3.5 and FLUX, with fewer blocks, and networks built from them.

Nothing here is shared with the loader that is compared: names are converted by diffusers.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers.loaders.single_file_utils import (
    convert_flux_transformer_checkpoint_to_diffusers,
    convert_ldm_vae_checkpoint,
    convert_sd3_transformer_checkpoint_to_diffusers,
)
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5EncoderModel

from .flow_files import T5_LAYERS
from .official import CLIP_L, OPEN_CLIP_BIG_G, VAE, Config, State, tensors

FLUX_DEV: Config = {
    "attention_head_dim": 128,
    "axes_dims_rope": [16, 56, 56],
    "guidance_embeds": True,
    "in_channels": 64,
    "joint_attention_dim": 4096,
    "num_attention_heads": 24,
    "num_layers": 2,
    "num_single_layers": 2,
    "pooled_projection_dim": 768,
}
SD3_MEDIUM: Config = {
    "attention_head_dim": 64,
    "caption_projection_dim": 1536,
    "in_channels": 16,
    "joint_attention_dim": 4096,
    "num_attention_heads": 24,
    "num_layers": 2,
    "out_channels": 16,
    "patch_size": 2,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
    "sample_size": 128,
}
SD35_LARGE: Config = SD3_MEDIUM | {"caption_projection_dim": 2432, "num_attention_heads": 38, "qk_norm": "rms_norm"}
SD35_MEDIUM: Config = SD3_MEDIUM | {
    "dual_attention_layers": [0, 1],
    "num_layers": 4,
    "pos_embed_max_size": 384,
    "qk_norm": "rms_norm",
}
TRANSFORMERS: dict[str, Config] = {
    "sd3 medium": SD3_MEDIUM,
    "sd3.5 large": SD35_LARGE,
    "sd3.5 medium": SD35_MEDIUM,
    "flux dev": FLUX_DEV,
    "flux schnell": FLUX_DEV | {"guidance_embeds": False},
}
VAE_OF_16: Config = VAE | {"latent_channels": 16, "use_post_quant_conv": False, "use_quant_conv": False}
T5_XXL: Config = {
    "d_ff": 10240,
    "d_kv": 64,
    "d_model": 4096,
    "feed_forward_proj": "gated-gelu",
    "num_heads": 64,
    "num_layers": T5_LAYERS,
    "vocab_size": 32128,
}
CONVERSIONS = (convert_sd3_transformer_checkpoint_to_diffusers, convert_flux_transformer_checkpoint_to_diffusers)
INSIDE, VAE_INSIDE = "text_encoders.{}.transformer.", "first_stage_model."


def transformer(path: Path, official: str) -> nn.Module:
    """The transformer of a checkpoint."""
    is_flux = official.startswith("flux")
    kind = FluxTransformer2DModel if is_flux else SD3Transformer2DModel
    network = kind(**TRANSFORMERS[official])
    apart = ("text_encoders.", VAE_INSIDE)
    stored = tensors(path, lambda name: not name.startswith(apart))
    network.load_state_dict(CONVERSIONS[is_flux](stored), assign=True)
    return network.eval()


def _part(path: Path, models: Path, name: str) -> State:
    """The tensors of a text encoder as a file of its own has them, from there or from within the checkpoint."""
    file, prefix = models / "text_encoder" / f"{name}.safetensors", INSIDE.format(name)
    if file.exists():
        return tensors(file, lambda name: True)
    inside = tensors(path, lambda one: one.startswith(prefix))
    return {one.removeprefix(prefix): tensor for one, tensor in inside.items()}


def clip_l(path: Path, models: Path, *, projected: bool) -> nn.Module:
    """CLIP-L; as SD 3 has it with a projection, which changes nothing: diffusers' rule for single files."""
    stored = _part(path, models, "clip_l")
    if not projected:
        encoder = CLIPTextModel(CLIPTextConfig(**CLIP_L)).eval()
        encoder.load_state_dict({name.removeprefix("text_model."): tensor for name, tensor in stored.items()})
        return encoder
    encoder = CLIPTextModelWithProjection(CLIPTextConfig(**CLIP_L)).eval()
    encoder.load_state_dict(stored | {"text_projection.weight": torch.eye(CLIP_L["hidden_size"])})
    return encoder


def clip_g(path: Path, models: Path) -> nn.Module:
    encoder = CLIPTextModelWithProjection(CLIPTextConfig(**OPEN_CLIP_BIG_G)).eval()
    encoder.load_state_dict(_part(path, models, "clip_g"))
    return encoder


def t5(path: Path, models: Path, tokens: list[int]) -> Tensor:
    """(1, tokens, 4096)."""
    stored = _part(path, models, "t5xxl")
    with torch.device("meta"):
        encoder = T5EncoderModel(T5Config(**T5_XXL))
    encoder.load_state_dict(stored | {"encoder.embed_tokens.weight": stored["shared.weight"]}, assign=True)
    return encoder.eval()(torch.tensor([tokens])).last_hidden_state


def vae(path: Path, models: Path) -> AutoencoderKL:
    network, file = AutoencoderKL(**VAE_OF_16), models / "VAE" / "ae.safetensors"
    inside = not file.exists()
    stored = tensors(path if inside else file, lambda name: not inside or name.startswith(VAE_INSIDE))
    network.load_state_dict(convert_ldm_vae_checkpoint(stored, network.config), assign=True)
    return network.eval()
