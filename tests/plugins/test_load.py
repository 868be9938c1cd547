"""Loading: what works is there, what fails is named, undone and skipped."""

from __future__ import annotations

import sys

import pytest

from modules.core.hooks import Hooks
from modules.core.params import EXTENSION_PARAMS
from modules.core.registry import SAMPLERS, SCHEDULES, UPSCALERS
from modules.core.settings import SETTINGS
from modules.plugins.discover import discover
from modules.plugins.load import load_all

EVERYTHING = """
from modules.plugins.api import Param, Setting, hook, sampler, schedule, upscaler

Param("glow", 0.5, label="Glow")
Setting("glow_limit", 3, label="Most glow")

@sampler("Comet")
def comet(model, x, sigmas, *, noise, step):
    return x

@schedule("Comet tail")
def tail(n, sigma_min, sigma_max):
    return []

@upscaler("Comet 2x")
def larger(picture, width, height):
    return picture.repeat(2, 0).repeat(2, 1)

@hook
def guided(step):
    step.append("heard")
"""


def loaded(folder, hooks: Hooks) -> list[str]:
    return load_all([one for one in discover([folder]) if not one.builtin], hooks)


def declared() -> set[str]:
    registries = (EXTENSION_PARAMS, SETTINGS, SAMPLERS, SCHEDULES, UPSCALERS)
    return {one.name for registry in registries for one in registry}


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


def test_what_an_extension_declares_is_there_with_its_owner(write, hooks: Hooks) -> None:
    assert loaded(write("glitter", EVERYTHING), hooks) == ["glitter"]
    assert EXTENSION_PARAMS.get("glow").owner == "easel_extensions.glitter"
    assert EXTENSION_PARAMS.get("glow").type is float
    assert SETTINGS.get("glow_limit").owner == "easel_extensions.glitter"
    assert SAMPLERS.get("Comet").owner == "easel_extensions.glitter"
    assert "Comet tail" in SCHEDULES
    assert "Comet 2x" in UPSCALERS
    heard: list[str] = []
    hooks.call("guided", run=None, step=heard)
    assert heard == ["heard"]
    assert hooks.problems == []


def test_other_files_of_its_folder_are_imported_relatively(write, hooks: Hooks) -> None:
    code = "from .palette import colour\nfrom modules.plugins.api import Setting\nSetting('glow', colour)"
    loaded(write("glitter", code, palette="colour = 'red'"), hooks)
    assert SETTINGS.get("glow").default == "red"
    assert "easel_extensions.glitter.palette" in sys.modules


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import a_package_that_is_not_there", "ModuleNotFoundError: No module named 'a_package_that_is_not_there'"),
        ("this is no Python", "SyntaxError: "),
        ("raise SystemExit(1)", "SystemExit: 1"),
        (EVERYTHING + "\n1 / 0", "ZeroDivisionError: "),
        (EVERYTHING + "\n@hook\ndef guidded(step): ...", "guidded"),
        (EVERYTHING + "\n@hook\ndef saved(where): ...", "where"),
        (EVERYTHING + "\n@hook\ndef generating(run): ...", "must take the argument 'proceed'"),
        (EVERYTHING + "\nParam('glow', 1)", "already declared by easel_extensions.broken"),
        (EVERYTHING + "\nParam('shine', 1, label='Glow')", "'Glow' already belongs to 'glow'"),
        (EVERYTHING + "\nParam('steps', 1)", "'steps' is built in"),
        (EVERYTHING + "\nParam('shine', 1, label='Steps')", "The infotext key 'Steps' is built in"),
        (EVERYTHING + "\nSetting('jpeg_quality', 1)", "'jpeg_quality' is already declared"),
        (EVERYTHING + "\nSetting('shine', 1, pixels=True)", "none has that name"),
        (EVERYTHING + "\nParam('shine', 1, sider=2)", "sider"),
    ],
)
def test_one_that_fails_is_named_undone_and_skipped(write, hooks: Hooks, code: str, said: str) -> None:
    before = declared()
    write("fine", "from modules.plugins.api import Setting\nSetting('fine', 1)")
    write("also_fine", "")
    assert loaded(write("broken", code), hooks) == ["also_fine", "fine"]
    (problem,) = hooks.problems
    assert (problem.extension, problem.moment) == ("broken", "loading")
    assert said in problem.message
    assert declared() == before | {"fine"}
    assert not hooks.listens("guided")


def test_a_broken_sampler_does_not_keep_its_name_from_the_next_extension(write, hooks: Hooks) -> None:
    write("a_broken", EVERYTHING + "\n1 / 0")
    assert loaded(write("b_whole", EVERYTHING), hooks) == ["b_whole"]
    assert SAMPLERS.get("Comet").owner == "easel_extensions.b_whole"
