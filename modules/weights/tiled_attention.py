"""Attention on a CPU in bfloat16: plain matrix products over tiles of queries, into memory that is used again.

torch's own kernel takes half of a bf16 step at Stable Diffusion's narrow heads, where this one keeps the matrix
products large. In float32 torch's is the faster, and is left.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn

SCORES = 2**21  # scores that a tile has; 4 MiB of bfloat16


def tile_attention(network: nn.Module) -> None:
    """Has the plain attention layers of a network in bfloat16 computed in tiles. In other dtypes nothing changes."""
    if next(network.parameters()).dtype != torch.bfloat16:
        return
    processor = Tiled()
    for layer in network.modules():
        if isinstance(layer, Attention) and type(layer.processor) is AttnProcessor2_0 and _is_plain(layer):
            layer.set_processor(processor)


def _is_plain(layer: Attention) -> bool:
    """Whether queries, keys and values are all that the layer computes, as in every UNet of Stable Diffusion."""
    norms = (layer.spatial_norm, layer.group_norm, layer.norm_q, layer.norm_k, layer.norm_cross)
    return not any(norms) and not layer.residual_connection and layer.rescale_output_factor == 1


class Tiled:
    """A processor for diffusers' attention layers. One for all layers of a network, which run one after another."""

    def __init__(self) -> None:
        self._torchs = AttnProcessor2_0()
        self._scores = torch.empty(0, dtype=torch.bfloat16)

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        """hidden_states (b, n, width), encoder_hidden_states (b, m, width of the text) or None: (b, n, width)."""
        if attention_mask is not None or hidden_states.ndim != 3:
            return self._torchs(attn, hidden_states, encoder_hidden_states, attention_mask, *args, **kwargs)
        told = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        read = (attn.to_q(hidden_states), attn.to_k(told), attn.to_v(told))
        query, key, value = (_by_head(one, attn.heads) for one in read)
        out = self._attended(query, key, value).unflatten(0, (-1, attn.heads)).transpose(1, 2).flatten(2)
        for layer in attn.to_out:
            out = layer(out)
        return out

    def _attended(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(heads, n, d) of queries (heads, n, d), keys and values (heads, m, d)."""
        heads, length, width = query.shape
        rows = min(length, max(1, SCORES // key.shape[1]))
        step = max(1, SCORES // (rows * key.shape[1]))
        turned, out = key.transpose(1, 2), torch.empty_like(query)
        for first in range(0, heads, step):
            some = slice(first, first + step)
            for row in range(0, length, rows):
                tile = query[some, row : row + rows]
                scores = self._room(query, *tile.shape[:2], key.shape[1])
                torch.baddbmm(scores, tile, turned[some], beta=0, alpha=width**-0.5, out=scores)
                torch.softmax(scores, dim=-1, out=scores)
                out[some, row : row + rows] = torch.bmm(scores, value[some])
        return out

    def _room(self, like: Tensor, *shape: int) -> Tensor:
        """Memory for the scores of a tile, with whatever the last one left in it."""
        count = torch.Size(shape).numel()
        if self._scores.numel() < count or self._scores.dtype != like.dtype:
            self._scores = like.new_zeros(count)
        return self._scores[:count].view(shape)


def _by_head(x: Tensor, heads: int) -> Tensor:
    """(b * heads, n, d) of (b, n, heads * d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2).flatten(0, 1)
