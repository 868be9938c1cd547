"""Pickles are opened in another process, which is ended when a file makes it work without end, and begun again."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from modules.catalog.apart import PickleProcess
from modules.catalog.open import read_tensors
from modules.catalog.pickles import Machine
from modules.catalog.resident import resident_bytes
from modules.core.errors import UserError

# A tuple that holds the one before it twice, sixty times over, and is then looked up by its hash: 2 ** 60 steps.
ENDLESS = b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s."
FULL = b"\x80\x02" + b"}" * (2 << 20) + b"."  # two million tables
# Half a million nothings in a list, then a thousand copies of it: four gigabytes out of half a megabyte.
COPIES = b"\x80\x02]q\x00(" + b"N" * 500_000 + b"ectorch\nSize\nq\x01" + b"h\x01h\x00\x85R" * 1000 + b"."


@pytest.fixture
def process(request: pytest.FixtureRequest) -> Iterator[PickleProcess]:
    """It has a minute, more than a busy machine needs, unless a test waits for the end of its patience."""
    opened = PickleProcess(seconds=getattr(request, "param", 60.0), memory=100 << 20)
    yield opened
    opened.close()


def _written(path: Path, program: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
    return path


@pytest.mark.parametrize("process", [2.0], indirect=True)
def test_a_file_that_computes_without_end_is_refused_and_the_next_one_is_read(process, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "good.pt")
    begun = time.monotonic()
    with pytest.raises(UserError, match=r"endless\.ckpt is refused: reading its table of tensors takes longer than 2"):
        process.header(_written(tmp_path / "endless.ckpt", ENDLESS))
    assert time.monotonic() - begun < 30
    assert process.header(tmp_path / "good.pt").tensors["a"].shape == (2,)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory")
def test_a_file_that_fills_the_memory_is_refused(process, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"full\.ckpt is refused: .*memory"):
        process.header(_written(tmp_path / "full.ckpt", FULL))


def test_a_process_that_was_ended_from_outside_is_begun_again(process, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "good.pt")
    process.header(tmp_path / "good.pt")
    process._process.kill()
    process._process.wait()
    assert list(process.header(tmp_path / "good.pt").tensors) == ["a"]


def test_nothing_is_unpickled_where_the_program_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpickled(*_: object) -> None:
        raise AssertionError("a pickle was opened in this process")

    monkeypatch.setattr(Machine, "load", unpickled)
    monkeypatch.setattr(pickle, "load", unpickled)
    for new in (True, False):
        torch.save({"a": torch.ones(2)}, tmp_path / "model.pt", _use_new_zipfile_serialization=new)
        assert read_tensors(tmp_path / "model.pt").tensors["a"].dtype == "F32"


def test_a_process_that_no_system_bounds_is_ended_when_it_is_seen_to_take_too_much(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "good.pt")
    unbounded = PickleProcess(seconds=60.0, memory=16 << 30)
    unbounded.header(tmp_path / "good.pt")
    unbounded._memory = 100 << 20  # of which the process that runs already knows nothing
    with pytest.raises(UserError, match=r"copies\.ckpt is refused: reading its table of tensors fills the memory"):
        unbounded.header(_written(tmp_path / "copies.ckpt", COPIES))
    assert list(unbounded.header(tmp_path / "good.pt").tensors) == ["a"]
    unbounded.close()


def test_what_a_process_takes_is_told_and_nothing_of_one_that_ended() -> None:
    assert 5 << 20 < resident_bytes(os.getpid()) < 64 << 30
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert resident_bytes(ended.pid) is None
