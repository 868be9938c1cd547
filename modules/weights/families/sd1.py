"""Stable Diffusion 1: CLIP's text encoder, a UNet that attends to it, the KL autoencoder. All sizes from the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from ...catalog.declared import Declared
from ...catalog.families import Family
from ...catalog.layout import Shapes
from ...text.chunks import Chunk
from ..emphasis import Reading, States
from ..tensors import Original
from .latent import checked_layer, clip, complete, joined, observed, predict, readers, token_numbers, unet, vae

if TYPE_CHECKING:
    from ..weights import Situation, Weights

TEXT = "cond_stage_model.transformer.text_model."
OLD_TEXT = "cond_stage_model.transformer."  # files made with transformers before 4.0 lack the level "text_model"


def text_encoder(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """The text encoder without weights."""
    prefix = TEXT if TEXT + "embeddings.token_embedding.weight" in shapes else OLD_TEXT
    return clip(shapes, declared, prefix), lambda name: prefix + name


NETWORKS = {"unet": unet, "text_encoder": text_encoder, "vae": vae}


def states(weights: Weights, chunk: Chunk, reading: Reading) -> States:
    """What the text encoder makes of a chunk. Clip skip n takes the n-th hidden state from the end (1: the last), then
    the final layer norm. Raises UserError when there is no such layer.
    """
    encoder = weights.text_encoder
    layer = checked_layer(encoder, reading.clip_skip)
    hidden = encoder(token_numbers(chunk, weights.device), output_hidden_states=True).hidden_states[-layer]
    return States((encoder.final_layer_norm(hidden)[0],))


def situated(weights: Weights, conditioning: Tensor, situation: Situation) -> Tensor:
    """The conditioning as it is: SD 1's UNet is told nothing else."""
    return conditioning


__all__ = ["NETWORKS", "complete", "joined", "observed", "predict", "readers", "situated", "states"]
