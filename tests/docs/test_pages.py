"""The pages that the code declares are complete and up to date."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from docs.extensions import moment_section, moments
from modules.core.request import PARAMS
from modules.core.settings import SETTINGS
from tests.conftest import ROOT


def text(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def test_the_pages_are_what_the_generator_writes() -> None:
    command = [sys.executable, "-m", "docs", "--check"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env=dict(os.environ))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_page_that_is_out_of_date_is_named(tmp_path, monkeypatch, capsys) -> None:
    from docs import __main__ as generator

    monkeypatch.setattr(generator, "FOLDER", tmp_path)
    monkeypatch.setattr(generator, "PAGES", {"parameters.md": lambda: "new"})
    monkeypatch.setattr(generator, "load_all", lambda *_: [])
    assert generator.main(["--check"]) == 1
    assert "docs/parameters.md is out of date" in capsys.readouterr().out
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
    assert (tmp_path / "parameters.md").read_text() == "new"


@pytest.mark.parametrize("name", PARAMS)
def test_every_parameter_has_a_line(name: str) -> None:
    assert f"\n| `{name}` |" in text("parameters.md")


@pytest.mark.parametrize("setting", [one for one in SETTINGS if not one.owner], ids=lambda setting: setting.name)
def test_every_setting_has_a_line(setting) -> None:
    assert f"\n| `{setting.name}` |" in text("settings.md")


@pytest.mark.parametrize("name", moments())
def test_every_moment_has_a_section(name: str) -> None:
    assert moment_section(name) in text("extensions.md")


def test_every_route_says_what_it_does() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| (.*) \|$", text("api.md"), flags=re.MULTILINE)
    assert len(rows) > 20
    assert [path for _, path, meaning in rows if not meaning.endswith(".")] == []


def test_every_decision_says_why_and_what_would_change_it() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [path.name[:4] for path in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    assert decisions
    for path in decisions:
        headings = re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert headings == ["Why", "What follows", "What would change our mind"], path.name
