"""Wildcards: what a prompt's marks become, and what hostile prompts and files cannot do."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.core.hooks import Hooks
from modules.core.request import GenerationRequest
from modules.core.settings import SETTINGS
from modules.plugins.discover import discover
from modules.plugins.load import load_all
from modules.text.wildcards import LONGEST, expand, has_wildcards

FILES = {
    "animal": ["cat", "dog", "fox"],
    "scene": ["a __animal__ in {rain|snow}"],
    "self": ["__self__ again"],
    "grow": ["__grow__ __grow__ __grow__ __grow__"],
    "empty": [],
    "places/far": ["moon"],
}


def lines(name: str) -> list[str]:
    return FILES.get(name, [])


class TestDrawing:
    def test_a_wildcard_becomes_a_line_of_its_file(self) -> None:
        drawn = {expand("a __animal__.", seed, lines) for seed in range(50)}
        assert drawn == {"a cat.", "a dog.", "a fox."}

    def test_a_choice_becomes_one_of_its_options(self) -> None:
        drawn = {expand("{red|blue|} sky", seed, lines) for seed in range(50)}
        assert drawn == {"red sky", "blue sky", " sky"}

    def test_a_seed_draws_the_same_on_every_call(self) -> None:
        prompt = "__scene__, {a|b|c}, __animal__"
        assert [expand(prompt, seed, lines) for seed in range(20)] == [
            expand(prompt, seed, lines) for seed in range(20)
        ]

    def test_each_mark_is_drawn_for_itself(self) -> None:
        assert any(len(set(expand("__animal__ __animal__", seed, lines).split())) == 2 for seed in range(20))

    def test_a_weight_makes_an_option_more_frequent(self) -> None:
        drawn = Counter(expand("{9::red|blue}", seed, lines) for seed in range(1000))
        assert 850 < drawn["red"] < 950
        assert set(drawn) == {"red", "blue"}

    def test_an_option_of_weight_zero_is_never_drawn(self) -> None:
        assert {expand("{0::red|blue}", seed, lines) for seed in range(50)} == {"blue"}

    def test_when_all_weights_are_zero_all_are_alike(self) -> None:
        assert {expand("{0::red|0::blue}", seed, lines) for seed in range(50)} == {"red", "blue"}

    def test_a_number_is_a_weight_only_at_the_beginning(self) -> None:
        assert expand("{red 2::x|red 2::x}", 1, lines) == "red 2::x"

    def test_wildcards_and_choices_nest(self) -> None:
        drawn = {expand("{__scene__|a {red|blue} __places/far__}", seed, lines) for seed in range(200)}
        assert "a red moon" in drawn
        assert "a fox in snow" in drawn
        assert not any(has_wildcards(text) for text in drawn)

    @pytest.mark.parametrize(
        "prompt", ["__nowhere__", "__empty__", "a {b} c", "snake__case", "{", "}{", "{a|b", "(a|b)"]
    )
    def test_what_names_nothing_stays_as_it_is(self, prompt: str) -> None:
        assert expand(prompt, 1, lines) == prompt


class TestLimits:
    def test_files_that_name_themselves_come_to_an_end(self) -> None:
        assert expand("__self__", 1, lines) == "__self__" + " again" * 10

    def test_growth_is_bounded(self) -> None:
        assert len(expand("__grow__", 1, lines)) <= LONGEST

    def test_a_line_of_any_length_is_cut_to_what_a_prompt_can_be(self) -> None:
        assert len(expand("__a__" * 1000, 1, lambda name: ["x" * 1_000_000])) <= LONGEST

    def test_a_file_is_read_once_however_often_it_is_named(self) -> None:
        asked = []
        expand("__a__ " * 100, 1, lambda name: asked.append(name) or ["b"])
        assert asked == ["a"]

    @pytest.mark.parametrize(
        "prompt",
        [
            "{" + "a|" * 50_000,
            "{" * 100_000,
            "{a|" * 33_000,
            "_" * 100_000,
            "__a" * 33_000,
            "__" + "a" * 100_000,
            "{" + " " * 99_000 + "|a}",
            "{" + "9" * 99_000 + "::a|b}",
            "{a|b}" * 20_000,
        ],
        ids=lambda prompt: prompt[:4] + prompt[-3:],
    )
    def test_a_hostile_prompt_of_100_000_characters_takes_a_moment(self, prompt: str) -> None:
        began = time.process_time()
        has_wildcards(prompt)
        expand(prompt, 1, lines)
        assert time.process_time() - began < 2

    @given(prompt=st.text(st.sampled_from("_{}|:ab1. /\n") | st.characters(), max_size=80), seed=st.integers(0, 2**32))
    @settings(derandomize=True, deadline=None, max_examples=100)
    def test_any_prompt_at_all_is_drawn_the_same_twice(self, prompt: str, seed: int) -> None:
        assert expand(prompt, seed, lines) == expand(prompt, seed, lines)
        assert has_wildcards(prompt) or expand(prompt, seed, lines) == prompt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "wildcards"
    (place / "places").mkdir(parents=True)
    (place / "animal.txt").write_text("# tame ones\ncat  # purrs\n\ndog\n", encoding="utf-8-sig")
    (place / "places" / "far.txt").write_text("the moon")
    (tmp_path / "secret.txt").write_text("a password")
    return place


class TestTheExtension:
    @pytest.fixture
    def hooks(self) -> Hooks:
        hooks = Hooks()
        assert load_all([one for one in discover([]) if one.name == "wildcards"], hooks) == ["wildcards"]
        yield hooks
        assert hooks.problems == []

    def drawn(self, hooks: Hooks, folder: Path, prompt: str, negative: str = "", seeds=(1, 2, 3, 4)) -> SimpleNamespace:
        """What becomes of a batch whose pictures all have these prompts."""
        request = GenerationRequest(prompt=prompt, negative_prompt=negative)
        run = SimpleNamespace(request=request, settings={"wildcards_folder": str(folder)}, notes={})
        batch = SimpleNamespace(
            prompts=[prompt] * len(seeds), negative_prompts=[negative] * len(seeds), seeds=list(seeds)
        )
        hooks.call("batch_starting", run=run, batch=batch)
        return SimpleNamespace(prompts=batch.prompts, negative_prompts=batch.negative_prompts, notes=run.notes)

    def test_every_picture_of_a_batch_draws_by_its_own_seed(self, hooks: Hooks, folder: Path) -> None:
        together = self.drawn(hooks, folder, "a __animal__", seeds=range(20)).prompts
        alone = [self.drawn(hooks, folder, "a __animal__", seeds=[seed]).prompts[0] for seed in range(20)]
        assert together == alone
        assert set(together) == {"a cat", "a dog"}

    def test_the_prompt_as_it_was_written_is_noted(self, hooks: Hooks, folder: Path) -> None:
        assert self.drawn(hooks, folder, "a __animal__").notes == {"Wildcard prompt": "a __animal__"}
        negative = self.drawn(hooks, folder, "a cat", "{fog|rain}")
        assert negative.notes == {"Wildcard negative prompt": "{fog|rain}"}
        assert set(negative.negative_prompts) <= {"fog", "rain"}

    def test_a_prompt_without_marks_is_left_alone(self, hooks: Hooks, folder: Path) -> None:
        drawn = self.drawn(hooks, folder, "a cat")
        assert drawn.prompts == ["a cat"] * 4
        assert drawn.notes == {}

    def test_files_may_stand_in_folders_below(self, hooks: Hooks, folder: Path) -> None:
        assert self.drawn(hooks, folder, "__places/far__").prompts[0] == "the moon"

    @pytest.mark.parametrize("name", ["../secret", "places/../../secret", "./../secret", "../../../../etc/hostname"])
    def test_no_file_outside_the_folder_is_read(self, hooks: Hooks, folder: Path, name: str) -> None:
        assert self.drawn(hooks, folder, f"__{name}__").prompts[0] == f"__{name}__"

    def test_no_absolute_path_is_read(self, hooks: Hooks, folder: Path) -> None:
        name = str(folder.parent / "secret")
        assert self.drawn(hooks, folder, f"__{name}__").prompts[0] == f"__{name}__"

    def test_a_link_out_of_the_folder_is_not_followed(self, hooks: Hooks, folder: Path) -> None:
        (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
        assert self.drawn(hooks, folder, "__link__").prompts[0] == "__link__"

    @pytest.mark.parametrize("name", ["a" * 5000, "places", "animal.txt/x", "nothing"])
    def test_names_that_are_no_file_stay_as_they_are(self, hooks: Hooks, folder: Path, name: str) -> None:
        assert self.drawn(hooks, folder, f"__{name}__").prompts[0] == f"__{name}__"

    def test_its_folder_is_a_setting(self, hooks: Hooks) -> None:
        assert SETTINGS.get("wildcards_folder").default == "wildcards; extensions/*/wildcards"

    def test_of_several_folders_the_first_that_has_the_file_counts(self, hooks: Hooks, folder: Path) -> None:
        pack = folder.parent / "extensions" / "pack" / "wildcards"
        pack.mkdir(parents=True)
        (pack / "animal.txt").write_text("never")
        (pack / "plant.txt").write_text("fern")
        patterns = f"{folder}; {folder.parent}/extensions/*/wildcards"
        run = SimpleNamespace(settings={"wildcards_folder": patterns}, notes={})
        batch = SimpleNamespace(prompts=["__plant__ __animal__"], negative_prompts=[""], seeds=[1])
        hooks.call("batch_starting", run=run, batch=batch)
        assert batch.prompts[0] in ("fern cat", "fern dog")

    def test_the_second_passs_own_prompts_are_drawn_too(self, hooks: Hooks, folder: Path) -> None:
        run = SimpleNamespace(settings={"wildcards_folder": str(folder)}, notes={})
        batch = SimpleNamespace(prompts=["a __animal__"], negative_prompts=["{fog}"], seeds=[1])
        hooks.call("prompts_ready", run=run, batch=batch)
        assert batch.prompts[0] in ("a cat", "a dog")
        assert run.notes == {}
