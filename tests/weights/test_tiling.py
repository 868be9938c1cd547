"""A picture that goes through the VAE in tiles looks like one that went at once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor

from modules.weights import weights as weights_module
from modules.weights.load import load_checkpoint
from modules.weights.prepared import prepare_network
from modules.weights.seamless import let_edges_meet
from modules.weights.tiling import SMALLEST, decode_tiled, encode_tiled, tile_side
from modules.weights.weights import Weights
from tests.toy import write_toy_checkpoint


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A toy whose VAE behaves as trained ones do: its residual branches add little."""
    path = write_toy_checkpoint(tmp_path_factory.mktemp("calm") / "calm.safetensors")
    multiply(path, ("conv2.weight", "proj_out.weight"), 0.05)
    return load_checkpoint(path)


def multiply(path: Path, endings: tuple[str, ...], factor: float) -> None:
    """Multiplies the VAE's tensors whose names end so."""
    with safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    for name, tensor in tensors.items():
        if name.startswith("first_stage_model") and name.endswith(endings):
            tensors[name] = (tensor * factor).astype(tensor.dtype)
    save_file(tensors, path, metadata)


def scenery(size: int) -> Tensor:
    """A picture (1, 3, size, size) in -1..1 with slopes, edges and grain, unlike itself from place to place."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    waves = torch.stack([torch.sin(9 * x + 3 * y), torch.cos(14 * x * y), (torch.sin(50 * x) * y).sign() * 0.5])
    grain = torch.randn(3, size, size, generator=torch.Generator().manual_seed(0)) * 0.05 * x
    return (waves * 0.8 + grain).clamp(-1, 1)[None]


def psnr(found: Tensor, expected: Tensor) -> float:
    spread = (expected.max() - expected.min()).item()
    return 10 * math.log10(spread**2 / ((found - expected) ** 2).mean().item())


@torch.inference_mode()
def test_at_1024_pixels_tiles_differ_from_the_whole_by_less_than_anybody_sees(calm: Weights) -> None:
    latents = torch.cat([scenery(128), scenery(128)[:, :1].flip(2)], dim=1)[:, :, 48:80] * 4  # a strip saves time
    whole = calm.vae.decode(latents, return_dict=False)[0]
    found = decode_tiled(calm.vae, latents, 64)
    assert found.shape == (1, 3, 256, 1024)
    assert psnr(found, whole) > 40
    jumps = [(one[..., 512] - one[..., 511]).abs().mean() for one in (found, whole)]  # where two tiles meet
    assert jumps[0] < 1.02 * jumps[1]


@torch.inference_mode()
def test_encoding_in_tiles_gives_the_same_code(calm: Weights) -> None:
    picture = scenery(448)[:, :, :192]
    whole = calm.vae.encode(picture, return_dict=False)[0].parameters
    assert psnr(encode_tiled(calm.vae, picture, SMALLEST), whole) > 40


@torch.inference_mode()
def test_a_batch_and_odd_sides_come_out_in_shape(calm: Weights) -> None:
    latents = torch.randn(2, 4, 21, 50, generator=torch.Generator().manual_seed(1))
    found = decode_tiled(calm.vae, latents, SMALLEST)
    assert found.shape == (2, 3, 168, 400)
    assert psnr(found, calm.vae.decode(latents, return_dict=False)[0]) > 35
    assert not any("forward" in vars(module) for module in calm.vae.modules())


@torch.inference_mode()
def test_a_seamless_picture_stays_seamless(calm: Weights) -> None:
    latents = torch.randn(1, 4, 20, 50, generator=torch.Generator().manual_seed(4))
    let_edges_meet(True, calm.vae)
    try:
        whole = calm.vae.decode(latents, return_dict=False)[0]
        found = decode_tiled(calm.vae, latents, SMALLEST)
    finally:
        let_edges_meet(False, calm.vae)
    assert found.shape == whole.shape
    assert psnr(found, whole) > 35


def test_tiles_are_chosen_by_size_and_free_memory(calm: Weights) -> None:
    assert tile_side(calm.vae, 64, 64, 1 << 34) == 0
    assert tile_side(calm.vae, 512, 512, 1 << 34) == 0
    small = tile_side(calm.vae, 512, 512, 200 << 20)
    assert SMALLEST <= small < 512
    assert small < tile_side(calm.vae, 512, 512, 1 << 30)
    assert tile_side(calm.vae, 512, 512, 0) == SMALLEST
    assert tile_side(calm.vae, 4096, 4096, None) > 0


def test_where_memory_is_short_pictures_are_made_all_the_same(calm: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    latents = torch.randn(1, 4, 16, 56, generator=torch.Generator().manual_seed(2))
    picture = scenery(448)[:, :, :128]
    whole, code = calm.decode(latents), calm.encode_image(picture)
    monkeypatch.setattr(weights_module, "free_memory", lambda device: 0)
    assert 30 < psnr(calm.decode(latents), whole) < 200  # another way, not the same
    assert 30 < psnr(calm.encode_image(picture), code) < 200


@pytest.mark.parametrize("prepared", [False, True])
def test_numbers_too_large_for_fp16_are_computed_again_in_float32(tmp_path: Path, prepared: bool) -> None:
    path = write_toy_checkpoint(tmp_path / "loud.safetensors")
    multiply(path, ("decoder.conv_in.weight",), 20000)
    model, exact = load_checkpoint(path, vae_dtype=torch.float16), load_checkpoint(path)
    if prepared:
        prepare_network(model.vae)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    expected = exact.decode(latents)
    assert torch.isfinite(expected).all()
    torch.testing.assert_close(model.decode(latents), expected, rtol=0, atol=1e-4)
    assert "float16" in model.remarks[0]
    assert model.vae_dtype == torch.float32
    model.decode(latents)
    assert len(model.remarks) == 1
