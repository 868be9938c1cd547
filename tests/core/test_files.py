"""Writing so that a crash leaves the old file or the new one, never half of one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modules.core.errors import UserError
from modules.core.files import Folders, write_atomically


def folders(root: Path) -> Folders:
    return Folders(
        root=root,
        data=root / "data",
        models=root / "models",
        outputs=root / "outputs",
        extensions=(root / "extensions",),
        checkpoints=(root / "models" / "Stable-diffusion",),
        vaes=(root / "models" / "VAE",),
    )


def test_a_file_is_written_with_the_folders_it_needs(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b" / "c.bin"
    write_atomically(place, b"whole")
    assert place.read_bytes() == b"whole"
    assert list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_the_old_content_and_no_rubbish(tmp_path: Path, monkeypatch, failing: str) -> None:
    place = tmp_path / "c.bin"
    write_atomically(place, b"old")

    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, disk_full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(place, b"new and longer")
    assert place.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [place]


def test_the_folders_we_write_are_made(tmp_path: Path) -> None:
    made = folders(tmp_path)
    made.create()
    made.create()
    assert all(folder.is_dir() for folder in (made.data, made.outputs, *made.checkpoints, *made.vaes))
    assert made.database.parent == made.settings.parent == made.data


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"a file in its place")
    with pytest.raises(UserError, match=r"The folder .*data cannot be made: .*--data-dir"):
        folders(tmp_path).create()
