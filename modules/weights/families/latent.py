"""What SD 1, SD 2 and SDXL have in common: the UNet, the KL autoencoder, OpenAI's CLIP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

from ...catalog.contents import VAES, ema_twins
from ...catalog.declared import Declared
from ...catalog.families import Family
from ...catalog.layout import Shapes, original_name, unet_names, vae_names
from ...core.errors import UserError
from ...diffusion.channels import POOLED, SIZES, TEXT
from ...diffusion.denoiser import Conditioning
from ...text.chunks import Chunk
from ..architecture import clip_config, unet_config, vae_config
from ..reading import Reader, clip_reader
from ..tensors import Original

if TYPE_CHECKING:
    from ..weights import Weights

UNET = "model.diffusion_model."
VAE = "first_stage_model."


def unet(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """The UNet without weights (call under the meta device), and the original name of each of its parameters: of its
    smoothed twin, where the file has one and that is wanted.
    """
    inner = below(shapes, UNET)
    module = UNet2DConditionModel(**unet_config(inner, declared.unet, family.unet_heads))
    names, twins = unet_names(inner), ema_twins(shapes) if declared.use_ema else {}

    def original(name: str) -> str:
        plain = UNET + original_name(name, names)
        return twins.get(plain, plain)

    return module, original


def vae(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """The VAE without weights, of a checkpoint or of a file that holds only a VAE."""
    prefix = next((one for one in VAES if one + "decoder.conv_in.weight" in shapes), "")
    inner = below(shapes, prefix)
    module = AutoencoderKL(**vae_config(inner, declared.vae, family.latent_scale))
    names = vae_names(inner)
    return module, lambda name: prefix + original_name(name, names)


def clip(shapes: Shapes, declared: Declared, prefix: str) -> CLIPTextModel:
    """OpenAI's text encoder without weights, whose tensors have transformers' names under `prefix`."""
    config = CLIPTextConfig(**clip_config(below(shapes, prefix), declared.text_encoder))
    config._attn_implementation = "sdpa"
    return CLIPTextModel(config)


def complete(network: nn.Module, device: torch.device) -> None:
    """Gives the one buffer that no file holds its value: the text encoders' positions 0, 1, 2, ..."""
    for part in network.modules():
        if isinstance(part, CLIPTextModel):
            positions = part.embeddings.position_embedding.num_embeddings
            part.embeddings.position_ids = torch.arange(positions, device=device)[None]


def observed(unet: nn.Module, declared: Declared) -> Declared:
    """What the file declares: nothing about SD 1 or SDXL needs to be found out by computing."""
    return declared


def predict(unet: nn.Module, latents: Tensor, timesteps: Tensor, told: Mapping[str, Tensor]) -> Tensor:
    """What the UNet gives, (b, c, h, w)."""
    added = {"text_embeds": told[POOLED], "time_ids": told[SIZES]} if POOLED in told else None
    return unet(latents, timesteps, encoder_hidden_states=told[TEXT], added_cond_kwargs=added, return_dict=False)[0]


def readers(weights: Weights) -> tuple[Reader, ...]:
    """CLIP alone reads the text."""
    return (clip_reader(weights),)


def joined(weights: Weights, streams: Sequence[Conditioning]) -> Conditioning:
    """What the only reader gave."""
    (only,) = streams
    return only


def token_numbers(chunk: Chunk, device: torch.device) -> Tensor:
    """(1, 77), padded with EOS as OpenAI's CLIP was."""
    return torch.tensor([list(chunk.tokens)], device=device)


def checked_layer(encoder: CLIPTextModel, clip_skip: int) -> int:
    """The clip skip, if the encoder has such a layer. Raises UserError when it has not."""
    layers = encoder.config.num_hidden_layers
    if not 1 <= clip_skip <= layers:
        raise UserError(
            f"Clip skip {clip_skip} is out of range.", hint=f"This model's text encoder has {layers} layers."
        )
    return clip_skip


def below(shapes: Shapes, prefix: str) -> dict[str, tuple[int, ...]]:
    """The tensors under a prefix, without it."""
    return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
