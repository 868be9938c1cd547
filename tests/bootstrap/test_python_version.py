"""A Python that cannot run the program hears so in one sentence."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from modules.bootstrap.python_version import refuse_unsupported_python
from modules.bootstrap.start import ROOT

READ_BY_ANY_PYTHON = (
    "webui.py",
    "modules/__init__.py",
    "modules/bootstrap/__init__.py",
    "modules/bootstrap/python_version.py",
    "tests/__init__.py",
    "tests/__main__.py",
)


def _unsupported_pythons() -> list[str]:
    """Interpreters on this machine, from PATH and pyenv, that are too old or too new."""
    versions = ("3.6", "3.7", "3.8", "3.9", "3.13", "3.14")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [next(iter(sorted(map(str, pyenv.glob(f"{version}.*/bin/python")))), None) for version in versions]
    found += [shutil.which(f"python{version}", path="/usr/bin:/usr/local/bin") for version in versions]
    return [python for python in found if python]


@pytest.mark.parametrize("version", [(3, 10, 0), (3, 11, 7), (3, 12, 1)])
def test_supported_versions_pass(version: tuple) -> None:
    refuse_unsupported_python(version)


@pytest.mark.parametrize("version", [(3, 6, 0), (3, 9, 18), (3, 13, 0), (4, 0, 0)])
def test_other_versions_end_with_a_sentence(version: tuple) -> None:
    with pytest.raises(SystemExit, match=rf"is needed, and this is Python {version[0]}\.{version[1]}\."):
        refuse_unsupported_python(version)


@pytest.mark.parametrize("command", [("webui.py",), ("-m", "tests")])
def test_real_interpreters_of_other_versions_say_so(command: tuple[str, ...]) -> None:
    pythons = _unsupported_pythons()
    if not pythons:
        pytest.skip("no unsupported Python is installed on this machine")
    for python in pythons:
        result = subprocess.run([python, "-B", *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 1, python
        assert result.stderr.startswith("Python 3.10, 3.11 or 3.12 is needed"), result.stderr
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("file", READ_BY_ANY_PYTHON)
def test_the_files_read_before_the_check_are_in_old_syntax(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).exists() else ""
    ast.parse(text, feature_version=(3, 4))
    assert "from __future__" not in text, "an older Python stops here, with a traceback"
