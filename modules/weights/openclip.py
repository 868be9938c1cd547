"""OpenCLIP's text encoder, computed by transformers' CLIP, which differs from it only in how tensors are named and cut.

OpenCLIP keeps query, key and value in one matrix and multiplies by the projection from the other side.
Source: https://github.com/mlfoundations/open_clip, `src/open_clip/transformer.py`.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

from ..catalog.declared import TextEncoderFacts
from ..catalog.layout import LAYER, PARTS, PROJECTION, THIRDS, WHOLE, Shapes, open_clip_name
from ..text.chunks import Chunk
from ..text.tokenizer import EOS
from .architecture import clip_config
from .tensors import Original, Source

FIRST = re.compile(r"transformer\.resblocks\.(\d+)\.(mlp\.c_fc\.weight|attn\.in_proj_weight|attn\.q_proj\.weight)")


class ProjectedClip(nn.Module):
    """A CLIP text encoder and the matrix that makes one vector of a whole prompt."""

    def __init__(self, config: CLIPTextConfig, width: int) -> None:
        super().__init__()
        self.clip = CLIPTextModel(config)
        self.text_projection = nn.Linear(config.hidden_size, width, bias=False)

    def pooled(self, tokens: Tensor, last_hidden_state: Tensor) -> Tensor:
        """(1, width) of a chunk: the state at its first EOS, projected."""
        end = int((tokens[0] == EOS).int().argmax())
        return self.text_projection(last_hidden_state[:1, end])


def open_clip_text_config(shapes: Shapes, facts: TextEncoderFacts) -> CLIPTextConfig:
    """The configuration of the encoder whose tensors, in OpenCLIP's names without prefix, have these shapes."""
    renamed = {ours: shapes[theirs] for ours, theirs in WHOLE.items() if theirs in shapes}
    for name, shape in shapes.items():
        if found := FIRST.fullmatch(name):
            ours = "mlp.fc1.weight" if "mlp" in found[2] else "self_attn.q_proj.weight"
            renamed[f"encoder.layers.{found[1]}.{ours}"] = shape
    config = CLIPTextConfig(**clip_config(renamed, facts, hidden_act="gelu"))
    config._attn_implementation = "sdpa"
    return config


def apart_original(prefix: str) -> Original:
    """The same as `open_clip_original` for tensors that lie as transformers keeps them, under `open_clip_name`."""

    def original(name: str) -> str:
        return prefix + (PROJECTION if name == PROJECTION else open_clip_name(name.removeprefix("clip.")))

    return original


def lies_apart(shapes: Shapes, prefix: str = "") -> bool:
    """Whether query, key and value are tensors of their own, as in transformers: the encoder is from a folder."""
    return prefix + "transformer.resblocks.0.attn.q_proj.weight" in shapes


def open_clip_original(prefix: str, shapes: Shapes) -> Original:
    """The place of each parameter of CLIPTextModel, or of ProjectedClip, among OpenCLIP's tensors under `prefix`."""
    if lies_apart(shapes, prefix):
        return apart_original(prefix)

    def original(name: str) -> Source:
        if name == PROJECTION:
            return Source(prefix + "text_projection", transposed=True)
        name = name.removeprefix("clip.")
        layer = LAYER.fullmatch(name)
        if layer is None:
            return Source(prefix + WHOLE[name])
        block, (part, _, kind) = f"{prefix}transformer.resblocks.{layer[1]}.", layer[2].rpartition(".")
        if part in THIRDS:
            return Source(f"{block}attn.in_proj_{kind}", THIRDS[part], 3)
        return Source(f"{block}{PARTS[part]}.{kind}")

    return original


def zero_padded(chunk: Chunk, device: torch.device) -> Tensor:
    """Token numbers (1, 77) as OpenCLIP was taught them: 0 after the first EOS."""
    tokens = torch.tensor([list(chunk.tokens)], device=device)
    ended = (tokens == EOS).cumsum(dim=1)
    return tokens.where((ended == 0) | ((ended == 1) & (tokens == EOS)), torch.zeros_like(tokens))
