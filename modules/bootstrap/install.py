"""Makes the environment and runs pip in it, showing what happens."""

from __future__ import annotations

import importlib.util
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from modules.core.errors import UserError

from .environment import Environment, Requirements
from .failures import explain
from .progress import Progress

PIP = "pip==26.3"  # the same installer on every Python; those that ship with 3.10 to 3.12 show no progress in a pipe


def has_pip(environment: Environment) -> bool:
    """Whether the environment's own Python runs pip: false where an earlier start was interrupted too soon."""
    if not environment.python.exists():
        return False
    command = [environment.python, "-m", "pip", "--version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def make_environment(environment: Environment, lock: int) -> None:
    """Makes an empty environment with pip in place of what is in the folder. Raises UserError where it cannot."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise UserError(
            f"This Python {version} cannot make virtual environments: its venv or ensurepip module is missing.",
            hint=f"On Debian or Ubuntu run `sudo apt install python{version}-venv`, then start again.",
        )
    _say(f"Making {environment.folder} with Python {version}.")
    _empty(environment)
    base_python = getattr(sys, "_base_executable", sys.executable)  # this process may run in the folder just emptied
    _run([base_python, "-m", "venv", str(environment.folder)], environment, lock, stage="Unpacking pip")
    _run([*_pip_install(environment), PIP], environment, lock)


def install(environment: Environment, requirements: Requirements, lock: int) -> None:
    """Installs `requirements` and, last of all, stamps the environment. Raises UserError when pip fails."""
    _say(f"Installing {requirements.file.relative_to(environment.folder.parent)}.")
    environment.stamp(requirements).unlink(missing_ok=True)
    _forget_half_unpacked_packages(environment.site_packages)
    command = [*_pip_install(environment), "-r", str(requirements.file), "-c", str(requirements.constraints)]
    if index := os.environ.get("TORCH_INDEX_URL"):  # as in A1111: another build of torch, such as +cpu or +cu126
        command += ["--extra-index-url", index]
    _run([*command, "--no-compile"], environment, lock)
    if requirements.alone and requirements.alone.stat().st_size:
        _run(
            [*_pip_install(environment), "--no-deps", "--no-compile", "-r", str(requirements.alone)], environment, lock
        )
    _compile(environment, lock)
    environment.write_stamp(requirements)


def _pip_install(environment: Environment) -> list[str]:
    return [str(environment.python), "-m", "pip", "install", "--no-input"]


def _compile(environment: Environment, lock: int) -> None:
    """Writes the bytecode on all cores, where pip takes one and most of the installation's time.

    Without bytecode every first import would take its place, or each one where Python may not write it.
    """
    command = [str(environment.python), "-m", "compileall", "-q", "-j", "0", str(environment.site_packages)]
    _run(command, environment, lock, stage="Compiling", may_fail=True)  # some packages carry files for other Pythons


def _empty(environment: Environment) -> None:
    for entry in environment.folder.iterdir():
        if entry == environment.lock:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _forget_half_unpacked_packages(site_packages: Path) -> None:
    """pip takes a package for installed when its metadata is there; INSTALLER is what it writes when all of it is."""
    for metadata in site_packages.glob("*.dist-info"):
        if not (metadata / "INSTALLER").exists():
            shutil.rmtree(metadata)


def _run(
    command: Sequence[str],
    environment: Environment,
    lock: int,
    stage: str = "Looking for packages",
    may_fail: bool = False,
) -> None:
    """Runs pip, venv or compileall to its end, shown condensed and logged in full. Raises UserError when it fails."""
    downloads = environment.folder / "downloads"  # not in /tmp, which is often small and on another disk
    downloads.mkdir(exist_ok=True)
    settings = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_PROGRESS_BAR": "raw" if "-r" in command else "off",  # only the pip that we install knows "raw"
        "PIP_USER": "0",  # some people's configuration says otherwise, which no environment accepts
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(downloads),
    }
    inherited = {"pass_fds": (lock,)} if os.name == "posix" else {}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **settings},
        **inherited,
    )
    try:
        lines = _show(process, environment.log, stage)
    except BaseException:
        process.terminate()
        raise
    finally:
        process.wait()
        shutil.rmtree(downloads, ignore_errors=True)
    if process.returncode != 0 and not may_fail:
        raise explain(lines, environment.log)


def _show(process: subprocess.Popen, log: Path, stage: str) -> list[str]:
    """Shows and logs what `process` prints until it closes its output; gives the lines, without mere progress."""
    began = time.monotonic()
    progress = Progress(sys.stdout, stage)
    lines = []
    with log.open("a", encoding="utf-8") as file:
        for line in _lines(process.stdout):
            if line is None:
                progress.tick(time.monotonic() - began)
                continue
            progress.line(line)
            if not line.startswith("Progress "):
                lines.append(line)
                file.write(line)
    progress.clear()
    return lines


def _lines(stream: TextIO) -> Iterator[str | None]:
    """The lines of `stream` as they come, and between them None once a second."""
    arrived: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            arrived.put(line)
        arrived.put("")

    threading.Thread(target=read, daemon=True).start()
    line, due = None, time.monotonic() + 1
    while line != "":
        try:
            line = arrived.get(timeout=max(0.0, due - time.monotonic()))
        except queue.Empty:
            line = None
        if line:
            yield line
        if time.monotonic() >= due:
            due += 1
            yield None


def _say(text: str) -> None:
    print(text, flush=True)
