"""Attention in tiles gives what torch's gives."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0

from modules.weights import tiled_attention
from modules.weights.tiled_attention import Tiled, tile_attention


def layer(**facts: object) -> Attention:
    torch.manual_seed(0)
    return Attention(query_dim=24, heads=3, dim_head=8, **facts).eval().requires_grad_(False)


@pytest.mark.parametrize("scores", [1, 300, 2**21], ids=["row by row", "some rows", "several heads"])
@pytest.mark.parametrize("words", [0, 5], ids=["itself", "a text"])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-6), (torch.bfloat16, 4e-3)])
def test_tiles_give_what_the_whole_gives(
    scores: int, words: int, dtype: torch.dtype, near: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled_attention, "SCORES", scores)
    attention = layer(cross_attention_dim=10 if words else None).to(dtype)
    x, text = torch.randn(2, 33, 24).to(dtype), torch.randn(2, 5, 10).to(dtype) if words else None
    expected = AttnProcessor2_0()(attention, x, text)
    for _ in range(2):
        torch.testing.assert_close(Tiled()(attention, x, text), expected, rtol=0, atol=near)


def test_only_plain_layers_in_bfloat16_are_computed_in_tiles() -> None:
    plain, normed, full = layer(), layer(norm_num_groups=4), layer()
    for attention, dtype in ((plain, torch.bfloat16), (normed, torch.bfloat16), (full, torch.float32)):
        tile_attention(attention.to(dtype))
    kinds = [type(attention.processor) for attention in (plain, normed, full)]
    assert kinds == [Tiled, AttnProcessor2_0, AttnProcessor2_0]


def test_a_mask_is_heeded() -> None:
    attention = layer().to(torch.bfloat16)
    x, mask = torch.randn(1, 6, 24).to(torch.bfloat16), torch.zeros(3, 1, 6).to(torch.bfloat16)
    mask[..., 4:] = float("-inf")
    expected = AttnProcessor2_0()(attention, x, None, mask)
    tile_attention(attention)
    assert torch.equal(attention(x, attention_mask=mask), expected)
