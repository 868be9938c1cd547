"""A checkpoint saved by torch loads like its safetensors twin, and becomes one."""

import pytest
import torch
from safetensors.torch import load_file

from modules.core.errors import UserError
from modules.weights.convert import convert_to_safetensors
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


def test_converting_keeps_every_tensor_and_tells_progress(twins, tmp_path):
    shares = []
    target = convert_to_safetensors(twins[1], tmp_path / "new.safetensors", shares.append)
    expected, found = load_file(twins[0]), load_file(target)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert shares == sorted(shares) and shares[-1] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["new.safetensors"]


def test_a_cancelled_conversion_leaves_nothing_and_an_existing_file_is_kept(twins, tmp_path):
    def cancel(share):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        convert_to_safetensors(twins[1], tmp_path / "new.safetensors", cancel)
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine.safetensors").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        convert_to_safetensors(twins[1], tmp_path / "mine.safetensors")
    assert (tmp_path / "mine.safetensors").read_text() == "mine"
