"""Showing a file in the file manager; a small program of ours stands in for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from modules.core.errors import UserError
from modules.jobs.reveal import show_in_folder
from tests.jobs.painting import until

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the file managers of other systems are fixed")


@linux
def test_the_folder_of_the_file_is_opened_and_no_shell_reads_its_name(tmp_path, monkeypatch):
    said = tmp_path / "said"
    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\nprintf "%s" "$*" > "{said}.part"\nmv "{said}.part" "{said}"\n')
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", f"{opener.parent}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":0")
    picture = tmp_path / "$(touch hacked); x" / "a.png"
    picture.parent.mkdir()
    picture.write_bytes(b"")
    show_in_folder(picture)
    until(said.exists)
    assert said.read_text() == str(picture.parent)
    assert not Path("hacked").exists()


@linux
def test_without_a_desktop_the_place_of_the_file_is_said(tmp_path, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    picture = tmp_path / "a.png"
    picture.write_bytes(b"")
    with pytest.raises(UserError, match="no desktop") as refused:
        show_in_folder(picture)
    assert str(picture) in refused.value.hint


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.png is no longer there"):
        show_in_folder(tmp_path / "gone.png")
