"""One at a time, across processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modules.bootstrap.lock import locked
from modules.bootstrap.start import ROOT

HOLD = """
import sys
from pathlib import Path
from modules.bootstrap.lock import locked
with locked(Path(sys.argv[1]), on_wait=lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_free_lock_is_taken_at_once(tmp_path: Path) -> None:
    waits = []
    for _ in range(2):
        with locked(tmp_path / "lock", on_wait=lambda: waits.append(1)):
            pass
    assert waits == []


def test_a_lock_held_by_another_process_is_waited_for(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        waits = []

        def let_go() -> None:
            waits.append(holder.poll())
            holder.stdin.close()

        with locked(tmp_path / "lock", on_wait=let_go):
            assert waits == [None]


@pytest.mark.skipif(os.name == "nt", reason="children inherit descriptors only on POSIX")
def test_a_child_keeps_the_lock_when_its_parent_lets_go(tmp_path: Path) -> None:
    wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with locked(tmp_path / "lock", on_wait=lambda: None) as lock:
        child = subprocess.Popen(wait, stdin=subprocess.PIPE, pass_fds=(lock,))
    waits = []

    def end_the_child() -> None:
        waits.append(child.poll())
        child.communicate()

    with locked(tmp_path / "lock", on_wait=end_the_child):
        assert waits == [None]
