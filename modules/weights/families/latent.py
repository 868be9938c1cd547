"""What SD 1, SD 2 and SDXL have in common: the UNet, the KL autoencoder, OpenAI's CLIP, and how emphasis is applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

from ...catalog.declared import Declared
from ...catalog.families import Family
from ...core.errors import UserError
from ...text.chunks import Chunk
from ..architecture import Shapes, clip_config, original_name, unet_config, unet_names, vae_config, vae_names
from ..tensors import Original

if TYPE_CHECKING:
    from ..weights import Weights

UNET = "model.diffusion_model."
VAE = "first_stage_model."


def unet(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """The UNet without weights (call under the meta device), and the original name of each of its parameters."""
    inner = below(shapes, UNET)
    module = UNet2DConditionModel(**unet_config(inner, declared.unet, family.unet_heads))
    names = unet_names(inner)
    return module, lambda name: UNET + original_name(name, names)


def vae(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """The VAE without weights, of a checkpoint or of a file that holds only a VAE."""
    prefix = VAE if VAE + "decoder.conv_in.weight" in shapes else ""
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


def token_numbers(chunks: Sequence[Chunk], device: torch.device) -> Tensor:
    """(chunks, 77), padded with EOS as OpenAI's CLIP was."""
    return torch.tensor([list(chunk.tokens) for chunk in chunks], device=device)


def layer_from_end(encoder: CLIPTextModel, family: Family, clip_skip: int) -> int:
    """Which hidden state from the end to take: the family's own, or an earlier one that the prompt asks for.

    Raises UserError when the encoder has no such layer.
    """
    layers = encoder.config.num_hidden_layers
    if not 1 <= clip_skip <= layers:
        raise UserError(
            f"Clip skip {clip_skip} is out of range.", hint=f"This model's text encoder has {layers} layers."
        )
    return max(clip_skip, family.clip_skip)


def emphasised(weights: Weights, states: Tensor, chunks: Sequence[Chunk]) -> Tensor:
    """States (chunks, 77, width), each token's times its weight, laid one after the other: (1, 77 * chunks, width).

    After that all of a chunk is multiplied so that its mean is what it was (A1111's "Original").
    """
    states = states.float()
    emphasis = torch.tensor([list(chunk.weights) for chunk in chunks], device=states.device, dtype=torch.float32)
    weighted = states * emphasis[..., None]
    before, after = states.mean(dim=(1, 2), keepdim=True), weighted.mean(dim=(1, 2), keepdim=True)
    plain = (emphasis == 1).all(dim=1)[:, None, None]
    result = torch.where(plain, states, weighted * (before / after))
    return result.to(weights.dtype).reshape(1, -1, states.shape[-1])


def below(shapes: Shapes, prefix: str) -> dict[str, tuple[int, ...]]:
    """The tensors under a prefix, without it."""
    return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
