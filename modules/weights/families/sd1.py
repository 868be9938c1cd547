"""Stable Diffusion 1: CLIP's text encoder, a UNet that attends to it, the KL autoencoder. All sizes from the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ...catalog.declared import Declared
from ...catalog.families import Family
from ...text.chunks import Chunk
from ..architecture import Shapes
from ..tensors import Original
from .latent import clip, complete, emphasised, layer_from_end, observed, token_numbers, unet, vae

if TYPE_CHECKING:
    from ..weights import Situation, Weights

TEXT = "cond_stage_model.transformer.text_model."
OLD_TEXT = "cond_stage_model.transformer."  # files made with transformers before 4.0 lack the level "text_model"


def text_encoder(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """The text encoder without weights."""
    prefix = TEXT if TEXT + "embeddings.token_embedding.weight" in shapes else OLD_TEXT
    return clip(shapes, declared, prefix), lambda name: prefix + name


NETWORKS = {"unet": unet, "text_encoder": text_encoder, "vae": vae}


def encode(weights: Weights, chunks: Sequence[Chunk], clip_skip: int) -> Tensor:
    """The prompt's chunks, each encoded alone and laid one after the other: (1, 77 * len(chunks), width).

    Clip skip n takes the n-th hidden state from the end (1: the last), then the final layer norm.
    """
    encoder = weights.text_encoder
    layer = layer_from_end(encoder, weights.family, clip_skip)
    states = encoder(token_numbers(chunks, weights.device), output_hidden_states=True).hidden_states[-layer]
    return emphasised(weights, encoder.final_layer_norm(states), chunks)


def situated(weights: Weights, conditioning: Tensor, situation: Situation) -> Tensor:
    """The conditioning as it is: SD 1's UNet is told nothing else."""
    return conditioning


__all__ = ["NETWORKS", "complete", "encode", "observed", "situated"]
