"""What SD 3 and FLUX have in common: a transformer in place of the UNet, and CLIP and T5 beside each other.

Source: Esser et al. 2024, "Scaling Rectified Flow Transformers", arXiv 2403.03206.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5EncoderModel

from ...catalog.declared import Declared
from ...catalog.families import Family
from ...catalog.layout import PROJECTION, Shapes
from ...catalog.parts import CLIP_G, CLIP_L, T5, T5_NORM, T5_WORDS, TEXT_MODEL, TOKENS
from ...text.chunks import Chunk
from ...text.tokenizer import EOS
from ..architecture import clip_config, t5_config
from ..openclip import ProjectedClip
from ..tensors import Original, Source
from .latent import UNET, below, clip, token_numbers

if TYPE_CHECKING:
    from ..weights import Weights

PATCH = 2  # latents that become one token of the transformer, each way
Rows = str | Source  # a layer's name in the file, or where in a fused layer it lies; without ".weight" or ".bias"
THIRDS = ("q", "k", "v")


class TextEncoders(nn.Module):
    """`small`: OpenAI's CLIP ViT-L; `large`: OpenCLIP's ViT-bigG; `t5`: T5's encoder. None where there is none."""

    def __init__(self, small: nn.Module | None, large: ProjectedClip | None, t5: T5EncoderModel | None) -> None:
        super().__init__()
        self.small, self.large, self.t5 = small, large, t5


def text_encoder(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """Those text encoders that there are tensors of, without weights."""
    small = clip(shapes, declared, CLIP_L + TEXT_MODEL) if CLIP_L + TEXT_MODEL + TOKENS in shapes else None
    large = _clip_g(below(shapes, CLIP_G), declared) if CLIP_G + TEXT_MODEL + TOKENS in shapes else None
    t5 = _t5(below(shapes, T5)) if T5 + T5_NORM in shapes else None
    words = next((T5 + name for name in T5_WORDS if T5 + name in shapes), "")

    def original(name: str) -> str:
        own, _, rest = name.partition(".")
        if own == "small":
            return CLIP_L + TEXT_MODEL + rest
        if own == "large":
            return CLIP_G + (PROJECTION if rest == PROJECTION else TEXT_MODEL + rest.removeprefix("clip."))
        return words if rest == "shared.weight" else T5 + rest

    return TextEncoders(small, large, t5), original


def _clip_g(shapes: Shapes, declared: Declared) -> ProjectedClip:
    config = CLIPTextConfig(**clip_config(below(shapes, TEXT_MODEL), declared.text_encoder, hidden_act="gelu"))
    config._attn_implementation = "sdpa"
    return ProjectedClip(config, shapes.get(PROJECTION, (config.hidden_size,))[0])


def _t5(shapes: Shapes) -> T5EncoderModel:
    encoder = T5EncoderModel(T5Config(**t5_config(shapes)))
    encoder.encoder.set_input_embeddings(encoder.shared)
    return encoder


def prefix_of(shapes: Shapes, mark: str) -> str:
    """What stands before the transformer's names: nothing in files that hold it alone."""
    return UNET if UNET + mark in shapes else ""


def placed(prefix: str, rows: Rows, kind: str) -> Source:
    """Where a layer's weight or bias lies. Norms within the attention call their weight "scale" in FLUX."""
    source = rows if isinstance(rows, Source) else Source(rows)
    return replace(source, name=f"{prefix}{source.name}.{kind}")


def thirds(ours: str, theirs: str) -> dict[str, Rows]:
    """Query, key and value, which are one layer in the file. `ours` has {} in place of the letter."""
    return {ours.format(letter): Source(theirs, part, 3) for part, letter in enumerate(THIRDS)}


def read_small(weights: Weights, chunk: Chunk) -> tuple[Tensor, Tensor]:
    """Of CLIP-L the last layer but one (77, width) without the final norm, and the vector (1, width) at the end."""
    tokens = token_numbers(chunk, weights.device)
    output = weights.text_encoder.small(tokens, output_hidden_states=True)
    end = int((tokens[0] == EOS).int().argmax())
    return output.hidden_states[-2][0], output.last_hidden_state[:1, end]


def situated(weights: Weights, conditioning: Mapping[str, Tensor], situation: object) -> Mapping[str, Tensor]:
    """The conditioning as it is: the transformers see how large a picture is."""
    return conditioning


def evened(latents: Tensor) -> Tensor:
    """Latents with sides that patches of 2 cover: one row or column more, taken from the opposite edge."""
    height, width = latents.shape[2:]
    return F.pad(latents, (0, width % PATCH, 0, height % PATCH), mode="circular")
