"""Before pip runs, and what is said when it cannot do its work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from modules.bootstrap.environment import Environment
from modules.bootstrap.failures import explain
from modules.bootstrap.install import make_environment
from modules.bootstrap.space import check_space
from modules.core.errors import UserError

LOG = Path("/program/.venv/install.log")


def test_too_little_disk_space_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has 1\.5 GB free, and the installation takes at least 3 GB"):
        check_space(Environment(tmp_path), free=1.5e9)


def test_space_that_a_half_done_installation_takes_counts(tmp_path: Path) -> None:
    with (tmp_path / "half").open("wb") as file:
        file.truncate(2_000_000_000)
    check_space(Environment(tmp_path), free=1.5e9)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux wheels of torch bring CUDA")
def test_space_for_less_than_cuda_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    check_space(Environment(tmp_path), free=5e9)
    assert capsys.readouterr().out == "The disk has 5.0 GB free, and the installation takes 3 GB (9 GB with CUDA).\n"
    check_space(Environment(tmp_path), free=50e9)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_python_without_venv_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    (tmp_path / "kept").write_text("")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(UserError, match=f"sudo apt install python{version}-venv"):
        make_environment(Environment(tmp_path), lock=0)
    assert (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"],
            "disk ran full",
        ),
        (
            [
                "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError'\n",
                "ERROR: No matching distribution found for torch==2.13.0\n",
            ],
            "package index could not be reached",
        ),
        (
            ["ERROR: first\n", "ERROR: No matching distribution found for pebble==9\n", "\n"],
            "The installation failed: No matching distribution found for pebble==9. Start again",
        ),
        (["/program/.venv/bin/python: No module named pip\n"], "python: No module named pip. Start again"),
        ([], "pip said nothing."),
    ],
)
def test_the_most_telling_reason_is_said(lines: list[str], said: str) -> None:
    sentence = str(explain(lines, LOG))
    assert said in sentence
    assert str(LOG) in sentence
    assert "\n" not in sentence
