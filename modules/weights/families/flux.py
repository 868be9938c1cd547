"""FLUX.1: a transformer whose text and picture first go side by side and then as one; T5 reads the text.

CLIP-L only gives one vector of all of the text. FLUX dev is told a guidance scale that it was distilled for, schnell
is not. Source: https://github.com/black-forest-labs/flux, `src/flux/model.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from torch import Tensor, nn

from ...catalog.declared import Declared
from ...catalog.families import Family
from ...catalog.layout import Shapes
from ...diffusion.channels import GUIDANCE, POOLED, TEXT
from ...text.chunks import Chunk
from ..architecture import flux_config
from ..emphasis import Reading, States
from ..reading import Reader, clip_reader, t5_reader
from ..tensors import Original, Source
from .flow import PATCH, Rows, evened, placed, prefix_of, read_small, situated, text_encoder, thirds
from .latent import below, complete, observed, vae

if TYPE_CHECKING:
    from ..weights import Weights

MARK = "double_blocks.0.img_attn.qkv.weight"
USUAL_GUIDANCE = 3.5  # what the authors tell FLUX dev where nobody says anything else
TOKENS, TOKENS_OF_SCHNELL = 512, 256
BLOCK = re.compile(r"(single_)?transformer_blocks\.(\d+)\.(.+)\.(weight|bias)")
WHOLE: Mapping[str, Rows] = {
    "x_embedder": "img_in",
    "context_embedder": "txt_in",
    **{
        f"time_text_embed.timestep_embedder.linear_{one}": f"time_in.{two}_layer"
        for one, two in ((1, "in"), (2, "out"))
    },
    **{f"time_text_embed.guidance_embedder.linear_{n}": f"guidance_in.{e}_layer" for n, e in ((1, "in"), (2, "out"))},
    **{f"time_text_embed.text_embedder.linear_{n}": f"vector_in.{e}_layer" for n, e in ((1, "in"), (2, "out"))},
    "norm_out.linear": Source("final_layer.adaLN_modulation.1", swapped=True),
    "proj_out": "final_layer.linear",
}
DOUBLE: Mapping[str, Rows] = {
    "norm1.linear": "img_mod.lin",
    "norm1_context.linear": "txt_mod.lin",
    **thirds("attn.to_{}", "img_attn.qkv"),
    **thirds("attn.add_{}_proj", "txt_attn.qkv"),
    "attn.norm_q": "img_attn.norm.query_norm",
    "attn.norm_k": "img_attn.norm.key_norm",
    "attn.norm_added_q": "txt_attn.norm.query_norm",
    "attn.norm_added_k": "txt_attn.norm.key_norm",
    "attn.to_out.0": "img_attn.proj",
    "attn.to_add_out": "txt_attn.proj",
    "ff.net.0.proj": "img_mlp.0",
    "ff.net.2": "img_mlp.2",
    "ff_context.net.0.proj": "txt_mlp.0",
    "ff_context.net.2": "txt_mlp.2",
}
SINGLE: Mapping[str, Rows] = {  # query, key, value and the four times wider inside of the MLP are one layer
    "norm.linear": "modulation.lin",
    **{f"attn.to_{letter}": Source("linear1", part, 7) for part, letter in enumerate("qkv")},
    "proj_mlp": Source("linear1", 3, 7, span=4),
    "attn.norm_q": "norm.query_norm",
    "attn.norm_k": "norm.key_norm",
    "proj_out": "linear2",
}


def transformer(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """The transformer without weights, and where each of its parameters lies."""
    prefix = prefix_of(shapes, MARK)
    return FluxTransformer2DModel(**flux_config(below(shapes, prefix))), lambda name: _original(prefix, name)


def _original(prefix: str, name: str) -> Source:
    block = BLOCK.fullmatch(name)
    if block is None:
        path, _, kind = name.rpartition(".")
        return placed(prefix, WHOLE[path], kind)
    single, number, path, kind = block.groups()
    kind = "scale" if ".norm_" in f".{path}" and path.startswith("attn.") else kind
    if single:
        return placed(f"{prefix}single_blocks.{number}.", SINGLE[path], kind)
    return placed(f"{prefix}double_blocks.{number}.", DOUBLE[path], kind)


NETWORKS = {"unet": transformer, "text_encoder": text_encoder, "vae": vae}


def predict(unet: nn.Module, latents: Tensor, timesteps: Tensor, told: Mapping[str, Tensor]) -> Tensor:
    """The velocity (b, c, h, w). Patches of 2 x 2 latents are tokens; their places are told as rows and columns."""
    height, width = latents.shape[2:]
    patches = F.pixel_unshuffle(evened(latents), PATCH)
    rows, columns = patches.shape[2:]
    guidance = told.get(GUIDANCE, timesteps.new_full(timesteps.shape, USUAL_GUIDANCE)).expand(len(latents))
    given = unet(
        patches.flatten(2).transpose(1, 2),
        encoder_hidden_states=told[TEXT],
        pooled_projections=told[POOLED],
        timestep=timesteps / 1000,
        img_ids=_places(rows, columns, latents.device),
        txt_ids=torch.zeros(told[TEXT].shape[1], 3, device=latents.device),
        guidance=guidance if unet.config.guidance_embeds else None,
        return_dict=False,
    )[0]
    whole = F.pixel_shuffle(given.transpose(1, 2).unflatten(2, (rows, columns)), PATCH)
    return whole[:, :, :height, :width]


def _places(rows: int, columns: int, device: torch.device) -> Tensor:
    """(rows * columns, 3): nothing, the row and the column of each patch."""
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack([torch.zeros_like(row), row, column], dim=-1).view(-1, 3).to(device, torch.float32)


def length_of_sentences(unet: nn.Module) -> int:
    """Tokens that T5 reads at once: schnell was trained on fewer."""
    return TOKENS if unet.config.guidance_embeds else TOKENS_OF_SCHNELL


def readers(weights: Weights) -> tuple[Reader, ...]:
    return t5_reader(weights), clip_reader(weights)


def states(weights: Weights, chunk: Chunk, reading: Reading) -> States:
    """What CLIP-L makes of a chunk, of which FLUX reads the pooled vector alone. Clip skip does nothing."""
    hidden, pooled = read_small(weights, chunk)
    return States((hidden,), pooled)


def joined(weights: Weights, streams: Sequence[Mapping[str, Tensor] | Tensor]) -> Mapping[str, Tensor]:
    """T5's states, and CLIP's vector of the first chunk."""
    sentences, clip = streams
    return {TEXT: sentences, POOLED: clip[POOLED]}


__all__ = [
    "NETWORKS",
    "complete",
    "joined",
    "length_of_sentences",
    "observed",
    "predict",
    "readers",
    "situated",
    "states",
]
