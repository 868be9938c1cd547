"""When an environment counts as complete."""

from __future__ import annotations

import os
import sys
import venv
from pathlib import Path

import pytest

from modules.bootstrap.environment import Environment, Requirements


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    made = Environment(tmp_path / ".venv")
    venv.create(made.folder, with_pip=False)
    return made


@pytest.fixture
def wanted(tmp_path: Path) -> Requirements:
    file, constraints = tmp_path / "requirements.txt", tmp_path / "constraints.txt"
    file.write_text("pebble==1.0\n")
    constraints.write_text("sand==2.0\n")
    return Requirements("webui", file, constraints)


def test_an_environment_is_complete_once_it_is_stamped(environment: Environment, wanted: Requirements) -> None:
    assert not environment.is_complete((wanted,))
    environment.write_stamp(wanted)
    assert environment.is_complete((wanted,))


def test_no_folder_is_no_environment(tmp_path: Path, wanted: Requirements) -> None:
    assert not Environment(tmp_path / "nowhere").is_complete((wanted,))
    assert not Environment(tmp_path / "nowhere").is_running()


@pytest.mark.parametrize("changed", ["file", "constraints"])
def test_a_changed_line_makes_it_incomplete(environment: Environment, wanted: Requirements, changed: str) -> None:
    environment.write_stamp(wanted)
    getattr(wanted, changed).write_text("pebble==1.1\n")
    assert not environment.is_complete((wanted,))


def test_each_set_of_requirements_has_a_stamp_of_its_own(environment: Environment, wanted: Requirements) -> None:
    tests = Requirements("tests", wanted.constraints, wanted.constraints)
    environment.write_stamp(wanted)
    assert not environment.is_complete((wanted, tests))
    environment.write_stamp(tests)
    assert environment.is_complete((wanted, tests))


@pytest.mark.skipif(os.name == "nt", reason="environments hold a copy of python.exe on Windows, not a link")
def test_it_is_incomplete_when_the_python_it_was_made_with_is_gone(
    environment: Environment, wanted: Requirements
) -> None:
    environment.write_stamp(wanted)
    environment.python.unlink()
    environment.python.symlink_to("/nowhere/python3")
    assert not environment.is_complete((wanted,))


def test_it_is_incomplete_when_its_python_has_become_another_version(
    environment: Environment, wanted: Requirements
) -> None:
    settings = environment.folder / "pyvenv.cfg"
    here = f"version = {sys.version_info.major}.{sys.version_info.minor}."
    settings.write_text(settings.read_text().replace(here, "version = 3.4."))
    assert environment.python_version() == "3.4"
    environment.write_stamp(wanted)
    assert not environment.is_complete((wanted,))


def test_the_version_is_read_from_the_file_that_uv_writes_too(environment: Environment) -> None:
    (environment.folder / "pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.13.8\nversion_info = 3.12.1\n")
    assert environment.python_version() == "3.12"
