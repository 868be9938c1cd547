"""Who may import whom. The table is the architecture; `modules/__init__.py` draws it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.checks.source import MODULES, imports, sources
from tests.conftest import ROOT

LEAVES = {"core", "catalog", "imaging", "text"}
COMPUTE = {"diffusion", "weights", "engine"}
APPLICATION = {"jobs", "studio", "server", "gui"}

MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "catalog": {"core"},
    "imaging": {"core"},
    "text": {"core"},
    "diffusion": {"core"},
    "weights": {*LEAVES, "diffusion"},
    "engine": {*LEAVES, "diffusion", "weights"},
    "jobs": LEAVES,
    "studio": {*LEAVES, "jobs"},
    "server": {*LEAVES, "jobs", "studio"},
    "gui": {*LEAVES, "jobs", "studio"},
    "plugins": {"core"},
    "builtin": {*LEAVES, "plugins"},  # modules/plugins/builtin: extensions that ship with the program
    "bootstrap": {"core"},
    "flags": {"core"},
    "app": {*LEAVES, *COMPUTE, *APPLICATION, "plugins", "flags"},
}

TORCH = {"torch", "diffusers", "transformers", "torchsde"}
TORCHLESS = {*LEAVES, *APPLICATION, "plugins", "builtin", "bootstrap", "flags", "app"}
PAGE = {"gradio", "fastapi", "starlette", "uvicorn"}
PAGELESS = {*LEAVES, *COMPUTE, "jobs", "studio", "plugins", "builtin", "bootstrap", "flags"}


def layer_of(path: Path) -> str:
    """The layer that a file belongs to: its top folder, or its own name."""
    parts = path.relative_to(MODULES).parts
    return "builtin" if parts[:2] == ("plugins", "builtin") else parts[0].removesuffix(".py")


def found(path: Path) -> list[tuple[str, str, str]]:
    """What a file imports: (where, the layer of ours, the package of others), one of the last two empty."""
    lines = []
    for name, line in imports(path, sources()[path]):
        package, _, rest = name.partition(".")
        where = f"{path.relative_to(ROOT)}:{line} imports {name}"
        lines.append((where, rest.split(".")[0], "") if package == "modules" else (where, "", package))
    return lines


FILES = [path for path in sources() if path != MODULES / "__init__.py"]
IDS = [str(path.relative_to(MODULES)) for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_a_file_imports_only_what_its_layer_may(path: Path) -> None:
    layer = layer_of(path)
    allowed = MAY_IMPORT[layer] | {layer}
    assert [where for where, ours, _ in found(path) if ours and ours not in allowed] == []


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_torch_stays_in_the_compute_column_and_the_page_out_of_it(path: Path) -> None:
    layer = layer_of(path)
    kept_out = (TORCH if layer in TORCHLESS else set()) | (PAGE if layer in PAGELESS else set())
    assert [where for where, _, others in found(path) if others in kept_out] == []


def test_the_table_knows_every_layer_and_no_other() -> None:
    assert set(MAY_IMPORT) == {layer_of(path) for path in FILES}


def test_the_columns_never_meet_below_the_program() -> None:
    for layer in COMPUTE | LEAVES:
        assert not MAY_IMPORT[layer] & APPLICATION
    for layer in APPLICATION:
        assert not MAY_IMPORT[layer] & COMPUTE


def test_nobody_imports_the_program_but_its_start() -> None:
    assert not any("app" in allowed for allowed in MAY_IMPORT.values())


@pytest.mark.parametrize(
    ("layers", "kept_out"),
    [({*LEAVES, "plugins", "bootstrap", "flags"}, TORCH | PAGE), ({*APPLICATION, "app"}, TORCH)],
    ids=["the base, of torch and of the page", "the application, of torch"],
)
def test_importing_everything_leaves_memory_free(layers: set[str], kept_out: set[str]) -> None:
    """Also by way of other packages: what is loaded counts, not what is written."""
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES if layer_of(path) in layers]
    script = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    fresh = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert fresh.returncode == 0, fresh.stderr
    assert set(fresh.stdout.split()) & kept_out == set()


def test_the_setting_up_needs_nothing_but_python() -> None:
    script = "import sys; import modules.bootstrap.start, modules.bootstrap.install; print(*sys.modules)"
    bare = subprocess.run([sys.executable, "-S", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert bare.returncode == 0, bare.stderr
