"""Samplers and schedules by name."""

from __future__ import annotations

import pytest

from modules.core.errors import UserError
from modules.core.registry import SAMPLERS, Entry, Registry, sampler


def paint() -> None:
    """Stands for a sampler: the registry never calls what it holds."""


@pytest.fixture
def samplers() -> Registry:
    registry = Registry("sampler")
    registry.add(Entry("DPM++ 2M", paint, ("k_dpmpp_2m",), owner="modules.diffusion.samplers"))
    registry.add(Entry("Euler a", paint, ("k_euler_a",), owner="modules.diffusion.samplers"))
    return registry


@pytest.mark.parametrize("name", ["Euler a", "euler A", " k_euler_a ", "K_EULER_A"])
def test_an_entry_answers_to_its_names_in_any_case(samplers: Registry, name: str) -> None:
    assert samplers.get(name).name == "Euler a"
    assert name in samplers


def test_an_unknown_name_is_an_error_with_the_nearest_ones(samplers: Registry) -> None:
    with pytest.raises(UserError) as unknown:
        samplers.get("Euler b")
    assert unknown.value.message == "There is no sampler called 'Euler b'."
    assert unknown.value.hint == "Did you mean Euler a?"


def test_a_name_like_no_other_is_an_error_with_all_there_are(samplers: Registry) -> None:
    with pytest.raises(UserError, match=r"There are: DPM\+\+ 2M, Euler a\."):
        samplers.get("zzz")


@pytest.mark.parametrize("name", ["Euler a", "EULER A", "k_euler_a"])
def test_a_name_or_alias_is_given_once(samplers: Registry, name: str) -> None:
    with pytest.raises(ValueError, match="already taken by 'Euler a'"):
        samplers.add(Entry(name, paint, owner="easel_extensions.other"))


def test_an_alias_that_is_taken_refuses_the_entry_too(samplers: Registry) -> None:
    with pytest.raises(ValueError, match="already taken"):
        samplers.add(Entry("Comet", paint, ("K_Euler_A",), owner="easel_extensions.other"))
    assert "Comet" not in samplers


def test_two_extensions_cannot_share_a_name(samplers: Registry) -> None:
    samplers.add(Entry("Comet", paint, owner="easel_extensions.first"))
    with pytest.raises(ValueError, match="already taken"):
        samplers.add(Entry("comet", paint, owner="easel_extensions.second"))


def test_a_name_of_ours_that_an_extension_took_first_comes_back_to_us(samplers: Registry, caplog) -> None:
    samplers.add(Entry("Heun", print, owner="easel_extensions.early"))
    samplers.add(Entry("Heun", paint, owner="modules.diffusion.samplers"))
    assert samplers.get("Heun").function is paint
    assert samplers.names().count("Heun") == 1
    assert "easel_extensions.early was dropped" in caplog.text


def test_ours_are_listed_first_whoever_came_first(samplers: Registry) -> None:
    samplers.add(Entry("Comet", paint, owner="easel_extensions.first"))
    samplers.add(Entry("Heun", paint, owner="modules.diffusion.samplers"))
    assert samplers.names() == ["DPM++ 2M", "Euler a", "Heun", "Comet"]


def test_a_removed_entry_is_gone_with_its_aliases(samplers: Registry) -> None:
    samplers.remove("Euler a")
    assert "k_euler_a" not in samplers


def test_the_decorator_keeps_the_function_its_facts_and_its_owner() -> None:
    try:
        assert sampler("Test comet", aliases=("test_comet",), model_calls=2)(paint) is paint
        entry = SAMPLERS.get("test_comet")
        assert (entry.function, entry.facts["model_calls"], entry.owner) == (paint, 2, __name__)
    finally:
        SAMPLERS.remove("Test comet")
