"""The repository as the checks read it."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULES = ROOT / "modules"


@cache
def sources() -> dict[Path, ast.Module]:
    """Every Python file of the package, parsed."""
    return {path: ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in sorted(MODULES.rglob("*.py"))}


def imports(path: Path, tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The modules a file imports, wherever in it, by their full names; and the line. `from . import x` is `here.x`."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")
            start = ".".join(above[: len(above) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (start, node.module or "") if part)
            yield base, node.lineno
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def tracked_texts() -> Iterator[tuple[Path, str]]:
    """Every text file that git keeps. Skips the test where there is no git, as in a downloaded archive."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            content = path.read_bytes()
            if b"\0" not in content[:8192]:
                yield path.relative_to(ROOT), content.decode("utf-8")
