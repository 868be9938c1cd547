"""Checkpoints from before PyTorch 1.6 are read like the others: nothing runs, nothing is believed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from modules.catalog.old_pickles import MAGIC
from modules.catalog.open import read_tensors
from modules.core.errors import UserError
from modules.weights.tensors import read_all


def _written(path: Path, content: object) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def test_tensors_are_read_with_their_numbers_wherever_these_lie(tmp_path: Path) -> None:
    shared = torch.arange(10, dtype=torch.float16)
    tensors = {
        "a": torch.arange(6.0).view(2, 3),
        "b": torch.ones(5, dtype=torch.bfloat16),
        "c": shared[4:],
        "d": shared[:4],
        "e": torch.tensor([1, 2**40]),
    }
    path = _written(tmp_path / "old.pth", {"state_dict": tensors, "epoch": 3, "names": ["x"]})
    assert path.read_bytes().startswith(MAGIC)
    found = read_all(read_tensors(path))
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) and found[name].dtype == tensors[name].dtype for name in tensors)


def test_a_program_in_it_is_refused_by_name_and_does_not_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {tmp_path / 'trace'}",)

    with pytest.raises(UserError, match=r"hostile\.pt is refused: it asks for (posix|nt)\.system"):
        read_tensors(_written(tmp_path / "hostile.pt", {"a": torch.ones(2), "x": Hostile()}))
    assert not (tmp_path / "trace").exists()


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = _written(tmp_path / "whole.pth", {"a": torch.arange(6.0), "b": torch.ones(3)}).read_bytes()
    for length in range(len(MAGIC), len(whole), 7):
        torn = tmp_path / "torn.pth"
        torn.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"torn\.pth"):
            read_tensors(torn)


def test_lengths_that_lie_are_refused(tmp_path: Path) -> None:
    path = _written(tmp_path / "lie.pth", {"a": torch.arange(6.0)})
    whole = path.read_bytes()
    for count in (-1, 2**62, 7):
        path.write_bytes(whole[: -8 - 24] + count.to_bytes(8, "little", signed=True) + whole[-24:])
        with pytest.raises(UserError, match=r"lie\.pth cannot be read"):
            read_tensors(path)


@pytest.mark.parametrize("keys", [b"\x80\x02}.", pickle.dumps(["other"], 2), pickle.dumps([7], 2)])
def test_a_list_of_storages_that_does_not_fit_is_refused(tmp_path: Path, keys: bytes) -> None:
    path = _written(tmp_path / "odd.pth", {"a": torch.arange(6.0)})
    whole = path.read_bytes()
    listed = whole[: -8 - 24].rindex(b"\x80\x02")
    path.write_bytes(whole[:listed] + keys + whole[-8 - 24 :])
    with pytest.raises(UserError, match=r"odd\.pth cannot be read"):
        read_tensors(path)
