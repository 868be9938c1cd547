"""The habits that keep the code readable, as far as a machine can see them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checks.source import MODULES, sources
from tests.conftest import ROOT

LONGEST = 350  # lines of a file
VAGUE = {"utils", "util", "helpers", "helper", "manager", "common", "base", "misc", "data"}

FILES = pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(MODULES)))


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_has_nothing_to_say(command: list[str]) -> None:
    said = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


@FILES
def test_a_file_fits_a_head(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@FILES
def test_a_name_says_what_is_inside(path: Path) -> None:
    assert not {part.removesuffix(".py") for part in path.relative_to(MODULES).parts} & VAGUE


@FILES
def test_every_signature_has_types(path: Path) -> None:
    untyped = []
    for node in ast.walk(sources()[path]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            named = [one for one in arguments if one is not None and one.arg not in ("self", "cls", "_")]
            if node.returns is None or any(one.annotation is None for one in named):
                untyped.append(f"{node.name} in line {node.lineno}")
    assert untyped == []


@FILES
def test_no_failure_is_swallowed_in_silence(path: Path) -> None:
    handlers = [node for node in ast.walk(sources()[path]) if isinstance(node, ast.ExceptHandler)]
    silent = [one.lineno for one in handlers if all(isinstance(line, ast.Pass) for line in one.body)]
    assert silent == []
    assert [one.lineno for one in handlers if one.type is None] == []


@FILES
def test_every_file_begins_by_saying_what_it_is(path: Path) -> None:
    tree = sources()[path]
    assert not tree.body or ast.get_docstring(tree)
