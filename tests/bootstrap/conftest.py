"""A program small enough to be set up in a second: the real webui.py and set-up, with an app of three lines."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from modules.bootstrap.environment import Environment
from modules.bootstrap.start import ROOT

APP = """
import sys

def main(argv):
    print("started", sys.prefix, argv)
    return 3
"""


@dataclass(frozen=True)
class Program:
    """A folder with the program, and a folder of wheels that stands for the package index."""

    root: Path
    wheels: Path

    @property
    def environment(self) -> Environment:
        return Environment(self.root / ".venv")

    def require(self, text: str) -> None:
        (self.root / "requirements.txt").write_text(text)

    def command(self, *flags: str, index: str = "") -> dict:
        """The arguments of `subprocess.run` for a start; without an `index` (URL), pip has the wheels only."""
        pip = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        pip |= {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": str(self.wheels), "PIP_RETRIES": "1"}
        pip |= {"PIP_INDEX_URL": index} if index else {"PIP_NO_INDEX": "1"}
        return {"args": [sys.executable, "webui.py", *flags], "cwd": self.root, "env": pip, "text": True}

    def start(self, *flags: str, index: str = "") -> subprocess.CompletedProcess:
        return subprocess.run(capture_output=True, timeout=120, check=False, **self.command(*flags, index=index))


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program beside an environment that has pip and nothing else; one package, `pebble` 1.0, is on offer."""
    root, wheels = tmp_path / "program", tmp_path / "wheels"
    for file in ("webui.py", "modules/__init__.py", "modules/core/__init__.py", "modules/core/errors.py"):
        _copy(ROOT / file, root / file)
    shutil.copytree(
        ROOT / "modules/bootstrap", root / "modules/bootstrap", ignore=shutil.ignore_patterns("__pycache__")
    )
    (root / "modules/app.py").write_text(APP)
    for file in ("constraints.txt", "requirements-alone.txt"):
        (root / file).write_text("")
    (root / "requirements.txt").write_text("pebble==1.0\n")
    write_wheel(wheels, "pebble", "1.0")
    made = Program(root, wheels)
    venv.create(made.environment.folder, with_pip=False)
    _lend_pip(made.environment, tmp_path / "lent")
    return made


def write_wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    """A wheel of one module, `name`, whose `version` is what it says."""
    wants = f"Requires-Dist: {requires}\n" if requires else ""
    folder.mkdir(exist_ok=True)
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", f"version = {version!r}\n")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{wants}")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", f"{name}.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")


def _lend_pip(environment: Environment, folder: Path) -> None:
    """Makes this Python's pip importable in `environment`; unpacking another takes seconds."""
    found = importlib.util.find_spec("pip")
    if found is None or found.origin is None:
        pytest.skip("the Python that runs the tests has no pip to lend")
    folder.mkdir()
    (folder / "pip").symlink_to(Path(found.origin).parent)
    (environment.site_packages / "lent.pth").write_text(f"{folder}\n")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.exists():
        shutil.copy(source, target)
