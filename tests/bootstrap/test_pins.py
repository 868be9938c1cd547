"""The pins that make an installation next year the one that was tested."""

from __future__ import annotations

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


def test_the_constraints_leave_torch_and_its_device_libraries_free() -> None:
    names = {name for name, _ in _pins(CONSTRAINTS)}
    assert not [name for name in names if name == "torch" or name.startswith(("nvidia", "cuda", "triton"))]


@pytest.mark.skipif(os.name == "nt", reason="a bash script")
def test_the_ci_script_can_be_run() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)
