"""The pins that make an installation next year the one that was tested."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
from pathlib import Path

import pytest

from modules.bootstrap.start import CONSTRAINTS, ROOT, TESTS, WEBUI


def _pins(file: Path) -> set[tuple[str, str]]:
    lines = file.read_text(encoding="utf-8").splitlines()
    pins = [re.fullmatch(r"([\w.-]+)==([\w.]+)( ?;.*)?", line) for line in lines if line and not line.startswith("#")]
    assert None not in pins, f"{file.name} has a line that pins no exact version"
    return {(pin[1].lower(), pin[2]) for pin in pins}


@pytest.mark.parametrize("requirements", [WEBUI, TESTS], ids=lambda requirements: requirements.name)
def test_the_constraints_hold_every_direct_pin(requirements) -> None:
    direct = {pin for pin in _pins(requirements.file) if pin[0] != "torch"}
    assert direct <= _pins(CONSTRAINTS), "make constraints.txt anew: its first lines say how"


def test_what_is_installed_alone_is_pinned_and_what_it_needs_is_there() -> None:
    """Its own requirements are not looked at when it is installed; torchvision is left out on purpose."""
    named = {name for name, _ in _pins(WEBUI.alone)}
    there = {name for name, _ in _pins(WEBUI.file)} | {name for name, _ in _pins(CONSTRAINTS)} | named
    needed = {
        re.match(r"[\w.-]+", line)[0].lower().replace("_", "-")
        for name in named
        for line in importlib.metadata.requires(name) or ()
        if "extra ==" not in line
    }
    assert needed - {one.replace("_", "-") for one in there} <= {"torchvision"}


def test_the_constraints_leave_torch_and_its_device_libraries_free() -> None:
    names = {name for name, _ in _pins(CONSTRAINTS)}
    assert not [name for name in names if name == "torch" or name.startswith(("nvidia", "cuda", "triton"))]


@pytest.mark.skipif(os.name == "nt", reason="a bash script")
def test_the_ci_script_can_be_run() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)
