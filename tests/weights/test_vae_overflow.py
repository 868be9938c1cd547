"""A VAE whose numbers overflow fp16 is read again in float32, once, and this is said."""

import pytest
import torch
from safetensors.numpy import load_file, save_file

from modules.catalog.header import read_header
from modules.weights.load import load_checkpoint
from modules.weights.precision import Precision
from modules.weights.residency import Loader
from modules.weights.seamless import let_edges_meet

LATENTS = torch.linspace(-2, 2, 256).view(1, 4, 8, 8)


@pytest.fixture(scope="module")
def loud(toy, tmp_path_factory):
    """The toy with a decoder whose first layer gives numbers beyond 65,504."""
    tensors = load_file(toy)
    tensors["first_stage_model.decoder.conv_in.weight"] *= 60_000
    path = tmp_path_factory.mktemp("loud") / "loud.safetensors"
    save_file(tensors, path, read_header(toy).metadata)
    return path


def test_it_decodes_as_in_float32_and_says_so_once(loud):
    weights = load_checkpoint(loud, vae_dtype=torch.float16)
    expected = load_checkpoint(loud).decode(LATENTS)
    assert expected.isfinite().all()
    for _ in range(2):
        assert torch.equal(weights.decode(LATENTS), expected)
    assert weights.remarks == ["The VAE gave numbers that are not finite in float16: it computes in float32 now."]


def test_edges_that_meet_meet_in_float32_too(loud):
    weights, plain = load_checkpoint(loud, vae_dtype=torch.float16), load_checkpoint(loud)
    for one in (weights, plain):
        let_edges_meet(True, one.vae)
    assert torch.equal(weights.decode(LATENTS), plain.decode(LATENTS))


def test_another_vae_is_given_its_chance_in_fp16(loud, toy):
    loader = Loader(Precision(torch.device("cpu"), torch.float32, torch.float16))
    weights = loader.open(loud)
    weights.decode(LATENTS)
    assert weights.vae_dtype == torch.float32
    assert loader.open(loud, vae=toy).vae_dtype == torch.float16
