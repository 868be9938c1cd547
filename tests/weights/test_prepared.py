"""Prepared layers give what torch's own layers give."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import nn

from modules.weights import prepared, winograd
from modules.weights.prepared import (
    PreparedConv2d,
    PreparedFeedForward,
    PreparedLinear,
    held_bytes,
    prepare_network,
    set_weight,
)
from modules.weights.winograd import LARGE, SMALL, Scratch, winograd_conv2d

WAYS = {"2 x 2": (SMALL, 2e-5), "4 x 4": (LARGE, 4e-4)}  # and how far rounding may lead them from torch's own


def conv(*arguments: int, **facts: int | str) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(*arguments, **facts).eval().requires_grad_(False)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 4), (6, 9), (16, 16)])
@pytest.mark.parametrize("band", [1, 4000, 2**23])
def test_winograds_convolution_equals_torchs(
    way: str, size: tuple[int, int], band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "BAND_BYTES", band)
    monkeypatch.setattr(winograd, "LEAST_BLOCKS", 1)
    torch.manual_seed(1)
    x, weight, bias = torch.randn(3, 5, *size), torch.randn(7, 5, 3, 3), torch.randn(7)
    expected = F.conv2d(x, weight, bias, padding=1)
    algorithm, near = WAYS[way]
    found = winograd_conv2d(algorithm, x, algorithm.transformed_filter(weight), bias, Scratch())
    torch.testing.assert_close(found, expected, rtol=0, atol=near)


@pytest.mark.parametrize("way", WAYS)
def test_scratch_memory_of_an_earlier_larger_picture_does_no_harm(way: str) -> None:
    algorithm, near = WAYS[way]
    scratch, weight, bias = Scratch(), torch.randn(4, 4, 3, 3), torch.zeros(4)
    filters = algorithm.transformed_filter(weight)
    winograd_conv2d(algorithm, torch.full((1, 4, 20, 20), torch.nan), filters, bias, scratch)
    x = torch.randn(1, 4, 7, 7)
    found = winograd_conv2d(algorithm, x, filters, bias, scratch)
    torch.testing.assert_close(found, F.conv2d(x, weight, bias, padding=1), rtol=0, atol=near)


LAYERS = [
    pytest.param(lambda: conv(64, 96, 3, padding=1), id="3x3"),
    pytest.param(lambda: conv(64, 96, 3, padding=1, padding_mode="circular"), id="3x3 circular"),
    pytest.param(lambda: conv(8, 12, 3, stride=2, padding=1), id="downwards"),
    pytest.param(lambda: conv(8, 12, 3, stride=2, padding=1, padding_mode="circular"), id="downwards circular"),
    pytest.param(lambda: conv(8, 12, 3, stride=2), id="downwards without a frame"),
    pytest.param(lambda: conv(350, 340, 3, stride=2, padding=1), id="downwards, large"),
    pytest.param(lambda: conv(8, 12, 1), id="1x1"),
    pytest.param(lambda: conv(8, 12, 3, padding=1, groups=4), id="groups"),
    pytest.param(lambda: conv(8, 12, 3, padding=1, bias=False), id="without bias"),
]


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_a_prepared_convolution_equals_the_plain_one(make: object, dtype: torch.dtype) -> None:
    layer = make().to(dtype)
    network = nn.Sequential(layer)
    x = torch.randn(2, layer.in_channels, *((72, 75) if layer.in_channels < 100 else (12, 9))).to(dtype)
    expected = layer(x)
    prepare_network(network)
    near = {"rtol": 2e-2, "atol": 2e-3} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-4}
    for _ in range(2):
        torch.testing.assert_close(network(x), expected, **near)
    assert network[0].weight.shape == layer.weight.shape


@pytest.mark.parametrize(
    ("free", "side", "extra"), [(100 << 30, 80, 27), (5 << 30, 80, 7), (1 << 20, 80, 0), (100 << 30, 16, 7)]
)
@torch.inference_mode()
def test_convolutions_take_the_form_that_pays_and_finds_room_and_say_what_it_costs(
    free: int, side: int, extra: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "free_memory", lambda _: free)
    monkeypatch.setattr(prepared, "WINOGRAD_WORK", 0)
    layer = conv(64, 64, 3, padding=1)
    network, x = nn.Sequential(layer), torch.randn(1, 64, side, side)
    before = held_bytes(network)
    prepare_network(network)
    torch.testing.assert_close(network(x), layer(x), rtol=0, atol=1e-4)
    assert held_bytes(network) - before == 64 * 64 * extra * 4


@pytest.mark.parametrize("channels", [64, 352])  # of the larger one the weights are worth oneDNN's order
@torch.inference_mode()
def test_the_form_is_chosen_again_for_another_size_until_it_is_winograds(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "WINOGRAD_WORK", channels * channels * 9 * 100)
    monkeypatch.setattr(prepared, "free_memory", lambda _: None)
    layer = conv(channels, channels, 3, padding=1)
    network = nn.Sequential(layer)
    prepare_network(network)
    kernels = []
    for side in (2, 2, 5, 12, 2):
        x = torch.randn(1, channels, side, side)
        torch.testing.assert_close(network(x), layer(x), rtol=0, atol=1e-4)
        kernels.append(network[0].kernel)
    assert [one is other for one, other in pairwise(kernels)] == [True, False, False, True]
    assert network[0].extra_bytes
    set_weight(network[0], torch.zeros_like(layer.weight))
    assert torch.equal(network(x)[0, :, 0, 0], layer.bias)


def test_what_was_prepared_in_inference_mode_computes_outside_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "WINOGRAD_WORK", 0)
    layer = conv(64, 64, 3, padding=1)
    network, x = nn.Sequential(layer), torch.randn(1, 64, 8, 8)
    prepare_network(network)
    with torch.inference_mode():
        network(x)
    torch.testing.assert_close(network(x), layer(x), rtol=0, atol=1e-4)


@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_without_onednns_private_operations_layers_compute_as_torch_does(
    bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    linear, convolution = nn.Linear(400, 300, bias), conv(350, 350, 3, padding=1, bias=bias)
    network = nn.ModuleList([linear, convolution])
    prepare_network(network)
    x, picture = torch.randn(2, 400), torch.randn(2, 350, 8, 6)
    assert torch.equal(network[0](x), linear(x))
    assert torch.equal(network[1](picture), convolution(picture))


@torch.inference_mode()
def test_a_new_weight_is_used_from_the_next_call_on() -> None:
    network = nn.Sequential(nn.Linear(400, 400))
    prepare_network(network)
    x = torch.randn(16, 400)
    network(x)
    set_weight(network[0], torch.eye(400))
    torch.testing.assert_close(network[0](x), x + network[0].bias)


@torch.inference_mode()
def test_a_whole_unet_equals_itself_unprepared(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    facts = {"block_out_channels": (64, 128), "layers_per_block": 1, "cross_attention_dim": 32, "norm_num_groups": 8}
    down, up = ("CrossAttnDownBlock2D", "DownBlock2D"), ("UpBlock2D", "CrossAttnUpBlock2D")
    network = UNet2DConditionModel(sample_size=32, down_block_types=down, up_block_types=up, **facts).eval()
    names = [name for name, _ in network.named_parameters()]
    given = torch.randn(2, 4, 48, 40), torch.tensor([10.0, 900.0]), torch.randn(2, 7, 32)
    expected = network(*given).sample
    prepare_network(network)
    torch.testing.assert_close(network(*given).sample, expected, rtol=0, atol=1e-4)
    monkeypatch.setattr(prepared, "PIECE", 100)
    torch.testing.assert_close(network(*given).sample, expected, rtol=0, atol=1e-4)
    assert [name for name, _ in network.named_parameters()] == names
    kinds = {type(layer) for layer in network.modules()}
    assert {PreparedConv2d, PreparedLinear, PreparedFeedForward} <= kinds
