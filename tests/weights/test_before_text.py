"""What comes before the text is computed once, and nothing changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from modules.weights.before_text import compute_once_before_text


def unet(**facts: Any) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        cross_attention_dim=12,
        norm_num_groups=8,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **facts,
    ).eval()


def rows_read(layer: nn.Module, network: nn.Module, *given: Tensor) -> tuple[int, Tensor]:
    """How many rows the layer computes in a call of the network, and what that gives."""
    read = []
    handle = layer.register_forward_hook(lambda layer, args, out: read.append(len(args[0])))
    with torch.inference_mode():
        out = network(*given).sample
    handle.remove()
    return read[0], out


def noisy(pictures: int, copies: int = 1) -> Tensor:
    return torch.randn(pictures, 4, 8, 8, generator=torch.manual_seed(1)).repeat(copies, 1, 1, 1)


TIMES = torch.tensor([300.0] * 4)


@pytest.mark.parametrize(
    ("latents", "times", "rows"),
    [
        (noisy(1, 4), TIMES, 1),
        (noisy(2, 2), TIMES, 2),
        (noisy(2, 2), torch.tensor(300.0), 2),
        (noisy(4), TIMES, 4),
        (noisy(2, 2), torch.tensor([1.0, 2.0, 3.0, 4.0]), 4),
    ],
    ids=["one picture", "two pictures", "one moment for all", "four pictures", "other moments"],
)
def test_equal_copies_of_the_batch_are_computed_once_up_to_the_first_text(
    latents: Tensor, times: Tensor, rows: int
) -> None:
    network, text = unet(), torch.randn(4, 7, 12)
    with torch.inference_mode():
        expected = network(latents, times, text).sample
    compute_once_before_text(network)
    attention = network.down_blocks[0].attentions[0].transformer_blocks[0].attn1.to_q
    read, found = rows_read(attention, network, latents, times, text)
    assert read == rows
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_a_unet_that_is_told_more_than_a_text_by_attention_computes_every_row() -> None:
    network = unet(class_embed_type="simple_projection", projection_class_embeddings_input_dim=6)
    names = [name for name, _ in network.named_modules()]
    compute_once_before_text(network)
    latents, labels = noisy(1, 2), torch.randn(2, 6)
    read, _ = rows_read(network.conv_in, network, latents, torch.tensor(9.0), torch.randn(2, 7, 12), labels)
    assert read == 2
    assert [name for name, _ in network.named_modules()] == names
