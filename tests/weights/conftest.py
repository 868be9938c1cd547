"""The toy checkpoint, written once for this folder's tests."""

import pytest
import torch

from modules.text.chunks import Chunk
from modules.weights.load import load_checkpoint
from tests.toy import write_toy_checkpoint


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    return write_toy_checkpoint(tmp_path_factory.mktemp("weights") / "toy.safetensors")


@pytest.fixture(scope="session")
def weights(toy):
    return load_checkpoint(toy)


@pytest.fixture
def noise():
    """Random numbers of any shape, the same in every run."""
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(shape, generator=generator)


@pytest.fixture
def prompt_chunk():
    """A chunk of 77 tokens: BOS, those given, EOS to the end; every weight 1 unless given."""

    def make(*tokens, weights=None):
        padded = (49406, *tokens, *[49407] * (76 - len(tokens)))
        return Chunk(padded, tuple(weights or [1.0] * 77))

    return make
