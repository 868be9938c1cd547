"""Stable Diffusion 1: CLIP's text encoder, a UNet that attends to it, the KL autoencoder. All sizes from the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

if TYPE_CHECKING:
    from ..weights import Weights

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT = "cond_stage_model.transformer.text_model."
OLD_TEXT = "cond_stage_model.transformer."  # files made with transformers before 4.0 lack the level "text_model"

Original = Callable[[str], str]


def unet(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """The UNet without weights (call under the meta device), and the original name of each of its parameters."""
    inner = below(shapes, UNET)
    module = UNet2DConditionModel(**unet_config(inner, declared.unet))
    names = unet_names(inner)
    return module, lambda name: UNET + original_name(name, names)


def vae(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """The VAE without weights, of a checkpoint or of a file that holds only a VAE."""
    prefix = VAE if VAE + "decoder.conv_in.weight" in shapes else ""
    inner = below(shapes, prefix)
    module = AutoencoderKL(**vae_config(inner, declared.vae, family.latent_scale))
    names = vae_names(inner)
    return module, lambda name: prefix + original_name(name, names)


def text_encoder(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """The text encoder without weights."""
    prefix = TEXT if TEXT + "embeddings.token_embedding.weight" in shapes else OLD_TEXT
    config = CLIPTextConfig(**clip_config(below(shapes, prefix), declared.text_encoder))
    config._attn_implementation = "sdpa"
    return CLIPTextModel(config), lambda name: prefix + name


NETWORKS: Mapping[str, Callable[[Shapes, Family, Declared], tuple[nn.Module, Original]]] = {
    "unet": unet,
    "text_encoder": text_encoder,
    "vae": vae,
}


def complete(network: nn.Module, device: torch.device) -> None:
    """Gives the one buffer that no file holds its value: the text encoder's positions 0, 1, 2, ..."""
    if isinstance(network, CLIPTextModel):
        positions = network.embeddings.position_embedding.num_embeddings
        network.embeddings.position_ids = torch.arange(positions, device=device)[None]


def encode(weights: Weights, chunks: Sequence[Chunk], clip_skip: int) -> Tensor:
    """The prompt's chunks, each encoded alone and laid one after the other: (1, 77 * len(chunks), width).

    Clip skip n takes the n-th hidden state from the end (1: the last), then the final layer norm. Emphasis multiplies
    each token's vector by its weight, and then all of a chunk so that its mean is what it was (A1111's "Original").
    Raises UserError when the encoder has no such layer.
    """
    encoder = weights.text_encoder
    layers = encoder.config.num_hidden_layers
    if not 1 <= clip_skip <= layers:
        raise UserError(
            f"Clip skip {clip_skip} is out of range.", hint=f"This model's text encoder has {layers} layers."
        )
    tokens = torch.tensor([list(chunk.tokens) for chunk in chunks], device=weights.device)
    states = encoder(tokens, output_hidden_states=True).hidden_states[-clip_skip]
    states = encoder.final_layer_norm(states).float()
    emphasis = torch.tensor([list(chunk.weights) for chunk in chunks], device=weights.device, dtype=torch.float32)
    return _emphasised(states, emphasis).to(weights.dtype).reshape(1, -1, states.shape[-1])


def _emphasised(states: Tensor, emphasis: Tensor) -> Tensor:
    """States (chunks, 77, width) times emphasis (chunks, 77), each chunk's mean restored."""
    weighted = states * emphasis[..., None]
    before, after = states.mean(dim=(1, 2), keepdim=True), weighted.mean(dim=(1, 2), keepdim=True)
    return torch.where((emphasis == 1).all(dim=1)[:, None, None], states, weighted * (before / after))


def below(shapes: Shapes, prefix: str) -> dict[str, tuple[int, ...]]:
    """The tensors under a prefix, without it."""
    return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
