"""A checkpoint saved by torch loads like its safetensors twin."""

import pytest
import torch
from safetensors.torch import load_file

from modules.weights.load import load_checkpoint
from tests.open_clip import sd2_shapes
from tests.toy import write_random


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twins")
    plain = write_random(folder / "plain.safetensors", sd2_shapes(), seed=3)
    torch.save({"state_dict": load_file(plain), "global_step": 7}, folder / "pickled.ckpt")
    return plain, folder / "pickled.ckpt"


def test_a_ckpt_loads_to_the_same_networks_as_its_safetensors(twins):
    plain, pickled = (load_checkpoint(path) for path in twins)
    for name in ("unet", "vae", "text_encoder"):
        ours, theirs = getattr(pickled, name).state_dict(), getattr(plain, name).state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
