"""A virtual environment on disk, and how to tell in a millisecond whether it is complete."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Requirements:
    """A requirements file (what is wanted) with its constraints file (the exact version of everything it brings), and
    a file of what is installed `alone`, without what it asks for in turn.
    """

    name: str
    file: Path
    constraints: Path
    alone: Path | None = None

    def text(self) -> str:
        files = (self.file, self.constraints, *((self.alone,) if self.alone else ()))
        return "\n".join(file.read_text(encoding="utf-8") for file in files)


@dataclass(frozen=True)
class Environment:
    """The virtual environment in `folder`.

    Each set of requirements leaves a stamp when its installation is over: the Python version and the very text that
    was installed. A stamp that reads the same today means that nothing is to be done, and asks no network.
    """

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def log(self) -> Path:
        return self.folder / "install.log"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def site_packages(self) -> Path:
        if os.name == "nt":
            return self.folder / "Lib" / "site-packages"
        return self.folder / "lib" / f"python{self.python_version()}" / "site-packages"

    def python_version(self) -> str:
        """ "3.11" for an environment made by Python 3.11.7; "" when there is none."""
        try:
            lines = (self.folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        settings = dict(line.split(" = ", 1) for line in lines if " = " in line)
        version = settings.get("version") or settings.get("version_info", "")
        return ".".join(version.split(".")[:2])

    def is_running(self) -> bool:
        """Whether this process is the environment's own Python."""
        return self.folder.is_dir() and os.path.samefile(sys.prefix, self.folder)

    def has(self, requirements: Requirements) -> bool:
        try:
            return self.stamp(requirements).read_text(encoding="utf-8") == self._stamp_text(requirements)
        except FileNotFoundError:
            return False

    def is_complete(self, wanted: tuple[Requirements, ...]) -> bool:
        return self.python_is_intact() and all(self.has(requirements) for requirements in wanted)

    def write_stamp(self, requirements: Requirements) -> None:
        self.stamp(requirements).write_text(self._stamp_text(requirements), encoding="utf-8")

    def stamp(self, requirements: Requirements) -> Path:
        return self.folder / f"installed-for-{requirements.name}.txt"

    def python_is_intact(self) -> bool:
        """False when the system's Python was removed or replaced by another version under the environment's feet.

        It is asked only when the Python of this process is another one, because asking costs 20 ms.
        """
        made_by = self.python_version()
        if not made_by or not self.python.exists():
            return False
        if made_by == f"{sys.version_info.major}.{sys.version_info.minor}":
            return True
        import subprocess

        question = "import sys; print('%d.%d' % sys.version_info[:2])"
        answer = subprocess.run([self.python, "-c", question], capture_output=True, text=True, check=False)
        return answer.stdout.strip() == made_by

    def _stamp_text(self, requirements: Requirements) -> str:
        return f"# Python {self.python_version()}\n{requirements.text()}"
