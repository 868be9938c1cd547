"""SD 3 and 3.5: a transformer that reads the text of two CLIPs and of T5, one after the other, and both CLIPs' vectors.

Source: Esser et al. 2024, "Scaling Rectified Flow Transformers", arXiv 2403.03206, section 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from torch import Tensor, nn

from ...catalog.declared import Declared
from ...catalog.families import Family
from ...catalog.layout import Shapes
from ...core.errors import UserError
from ...diffusion.channels import POOLED, TEXT
from ...text.chunks import Chunk
from ..architecture import sd3_config
from ..emphasis import Reading, States
from ..openclip import zero_padded
from ..reading import Reader, clip_reader, t5_reader
from ..tensors import Original, Source
from .flow import PATCH, Rows, evened, placed, prefix_of, read_small, situated, text_encoder, thirds
from .latent import below, complete, observed, vae

if TYPE_CHECKING:
    from ..weights import Weights

MARK = "joint_blocks.0.x_block.attn.qkv.weight"
TOKENS = 256  # that T5 reads at once
PIXELS = 16  # of a picture, each way, for each of the places that the transformer knows
POSITIONS = "pos_embed.pos_embed"
BLOCK = re.compile(r"transformer_blocks\.(\d+)\.(.+)\.(weight|bias)")
WHOLE: Mapping[str, Rows] = {
    "pos_embed.proj": "x_embedder.proj",
    "context_embedder": "context_embedder",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    "norm_out.linear": Source("final_layer.adaLN_modulation.1", swapped=True),
    "proj_out": "final_layer.linear",
}
JOINT: Mapping[str, Rows] = {
    "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1",
    **thirds("attn.to_{}", "x_block.attn.qkv"),
    **thirds("attn.add_{}_proj", "context_block.attn.qkv"),
    **thirds("attn2.to_{}", "x_block.attn2.qkv"),
    **{f"attn.norm_{letter}": f"x_block.attn.ln_{letter}" for letter in "qk"},
    **{f"attn.norm_added_{letter}": f"context_block.attn.ln_{letter}" for letter in "qk"},
    **{f"attn2.norm_{letter}": f"x_block.attn2.ln_{letter}" for letter in "qk"},
    "attn.to_out.0": "x_block.attn.proj",
    "attn.to_add_out": "context_block.attn.proj",
    "attn2.to_out.0": "x_block.attn2.proj",
    "ff.net.0.proj": "x_block.mlp.fc1",
    "ff.net.2": "x_block.mlp.fc2",
    "ff_context.net.0.proj": "context_block.mlp.fc1",
    "ff_context.net.2": "context_block.mlp.fc2",
}
# In the last block the text only has a norm, of the kind that has its halves the other way round.
LAST_NORM = Source("context_block.adaLN_modulation.1", swapped=True)


def transformer(shapes: Shapes, family: Family, declared: Declared) -> tuple[nn.Module, Original]:
    """The transformer without weights, and where each of its parameters lies. The table of places in a picture is a
    parameter, since files have it.
    """
    prefix = prefix_of(shapes, MARK)
    config = sd3_config(below(shapes, prefix))
    module, last = SD3Transformer2DModel(**config), config["num_layers"] - 1
    positions = module.pos_embed.pos_embed
    del module.pos_embed.pos_embed
    module.pos_embed.pos_embed = nn.Parameter(positions, requires_grad=False)

    def original(name: str) -> Source:
        if name == POSITIONS:
            return Source(prefix + "pos_embed")
        block = BLOCK.fullmatch(name)
        if block is None:
            path, _, kind = name.rpartition(".")
            return placed(prefix, WHOLE[path], kind)
        number, path, kind = block.groups()
        rows = LAST_NORM if path == "norm1_context.linear" and int(number) == last else JOINT[path]
        return placed(f"{prefix}joint_blocks.{number}.", rows, kind)

    return module, original


NETWORKS = {"unet": transformer, "text_encoder": text_encoder, "vae": vae}


def predict(unet: nn.Module, latents: Tensor, timesteps: Tensor, told: Mapping[str, Tensor]) -> Tensor:
    """The velocity (b, c, h, w). Raises UserError when a side is longer than the table of places."""
    height, width = latents.shape[2:]
    largest = unet.config.pos_embed_max_size
    if max(height, width) > largest * PATCH:
        raise UserError(
            f"The picture is too large for this SD 3 model: its sides may have {largest * PIXELS} pixels.",
            hint="Make a smaller one, and enlarge that.",
        )
    given = unet(
        evened(latents),
        encoder_hidden_states=told[TEXT],
        pooled_projections=told[POOLED],
        timestep=timesteps,
        return_dict=False,
    )[0]
    return given[:, :, :height, :width]


def length_of_sentences(unet: nn.Module) -> int:
    """Tokens that T5 reads at once."""
    return TOKENS


def readers(weights: Weights) -> tuple[Reader, ...]:
    both = clip_reader(weights), t5_reader(weights)
    return both if weights.sentences else both[:1]


def states(weights: Weights, chunk: Chunk, reading: Reading) -> States:
    """What both CLIPs' last layer but one makes of a chunk, without the final norm, and their vectors side by side.
    Clip skip does nothing.
    """
    hidden, pooled = read_small(weights, chunk)
    large = weights.text_encoder.large
    tokens = zero_padded(chunk, weights.device)
    output = large.clip(tokens, output_hidden_states=True)
    vectors = torch.cat([pooled, large.pooled(tokens, output.last_hidden_state)], dim=-1)
    return States((hidden, output.hidden_states[-2][0]), vectors)


def joined(weights: Weights, streams: Sequence[Mapping[str, Tensor] | Tensor]) -> Mapping[str, Tensor]:
    """CLIP's states, zeros behind their numbers up to T5's width, and T5's after them; zeros for those without T5."""
    clip, *others = streams
    width = weights.unet.config.joint_attention_dim
    text = F.pad(clip[TEXT], (0, width - clip[TEXT].shape[-1]))
    sentences = others[0] if others else text.new_zeros(len(text), TOKENS, width)
    return {TEXT: torch.cat([text, sentences], dim=1), POOLED: clip[POOLED]}


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
