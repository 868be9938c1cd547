"""SDXL: two text encoders side by side, and a UNet that is also told the prompt as one vector, and picture sizes.

Its refiner has the second encoder alone, and is told an aesthetic score in place of the picture's target size.
Source: Podell et al. 2023, "SDXL", arXiv 2307.01952, section 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...catalog.declared import Declared
from ...catalog.families import Family
from ...catalog.layout import PROJECTION, Shapes
from ...diffusion.channels import POOLED, SIZES
from ...text.chunks import Chunk
from ..architecture import SIZE_WIDTH
from ..emphasis import Reading, States
from ..openclip import ProjectedClip, open_clip_original, open_clip_text_config, zero_padded
from ..tensors import Original, Source
from .latent import (
    below,
    checked_layer,
    clip,
    complete,
    joined,
    observed,
    predict,
    readers,
    token_numbers,
    unet,
    vae,
)

if TYPE_CHECKING:
    from ..weights import Situation, Weights

CLIP_L = "conditioner.embedders.0.transformer.text_model."
CLIP_G = "conditioner.embedders.1.model."
REFINERS_CLIP_G = "conditioner.embedders.0.model."
AESTHETIC_SCORE, NEGATIVE_AESTHETIC_SCORE = 6.0, 2.5  # of 10, those that A1111 tells the refiner


class TextEncoders(nn.Module):
    """`small`: OpenAI's CLIP ViT-L, None in the refiner; `large`: OpenCLIP's ViT-bigG."""

    def __init__(self, small: nn.Module | None, large: ProjectedClip) -> None:
        super().__init__()
        self.small, self.large = small, large


def text_encoder(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """Both text encoders, or the refiner's one, without weights."""
    refiner = REFINERS_CLIP_G + "token_embedding.weight" in shapes
    prefix = REFINERS_CLIP_G if refiner else CLIP_G
    inner = below(shapes, prefix)
    config = open_clip_text_config(inner, declared.text_encoder)
    projected = inner.get("text_projection", inner.get(PROJECTION, (config.hidden_size,))[::-1])
    large = ProjectedClip(config, projected[-1])
    small = None if refiner else clip(shapes, declared, CLIP_L)
    original_of_large = open_clip_original(prefix, shapes)

    def original(name: str) -> str | Source:
        own, _, rest = name.partition(".")
        return CLIP_L + rest if own == "small" else original_of_large(rest)

    return TextEncoders(small, large), original


NETWORKS = {"unet": unet, "text_encoder": text_encoder, "vae": vae}


def states(weights: Weights, chunk: Chunk, reading: Reading) -> States:
    """What both encoders' last layer but one makes of a chunk, without the final layer norm, and the pooled vector.

    Clip skip does nothing, as in A1111, but in the small encoder if `reading` says so.
    """
    encoders: TextEncoders = weights.text_encoder
    hidden, layer = [], weights.family.clip_skip
    if encoders.small is not None:
        output = encoders.small(token_numbers(chunk, weights.device), output_hidden_states=True)
        skip = checked_layer(encoders.small, reading.clip_skip) if reading.sdxl_clip_l_skip else layer
        hidden.append(output.hidden_states[-skip][0])
    tokens = zero_padded(chunk, weights.device)
    output = encoders.large.clip(tokens, output_hidden_states=True)
    hidden.append(output.hidden_states[-layer][0])
    return States(tuple(hidden), encoders.large.pooled(tokens, output.last_hidden_state))


def situated(weights: Weights, conditioning: Mapping[str, Tensor], situation: Situation) -> Mapping[str, Tensor]:
    """With "sizes" (1, 6): height and width before and after the crop that the picture should look as if it had had
    (none), the crop's top and left between them. The refiner's (1, 5) end in the score instead. A blank negative prompt
    is all zeros, as SDXL was trained without text.
    """
    size = (situation.height, situation.width)
    if _is_told_a_score(weights):
        told = (*size, 0, 0, NEGATIVE_AESTHETIC_SCORE if situation.negative else AESTHETIC_SCORE)
    else:
        told = (*size, 0, 0, *size)
    if situation.negative and situation.blank:
        conditioning = {name: torch.zeros_like(value) for name, value in conditioning.items()}
    rows = len(conditioning[POOLED])
    sizes = torch.tensor([told], dtype=torch.float32, device=weights.device).expand(rows, -1)
    return {**conditioning, SIZES: sizes}


def _is_told_a_score(weights: Weights) -> bool:
    """Whether the UNet has room for five numbers beside the prompt's vector, not six."""
    config = weights.unet.config
    return config.projection_class_embeddings_input_dim - weights.text_encoder.large.text_projection.out_features == (
        5 * SIZE_WIDTH
    )


__all__ = ["NETWORKS", "complete", "joined", "observed", "predict", "readers", "situated", "states"]
