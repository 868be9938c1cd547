"""Settings: where a value comes from, what is refused, and a file that somebody broke."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from modules.core.errors import UserError
from modules.core.request import PARAMS
from modules.core.settings import SETTINGS, Setting, SettingDeclarations, Settings

DECLARED = (
    Setting("quality", 90, "Quality", "How good.", ge=1, le=100),
    Setting("strength", 0.5, "Strength", ge=0),
    Setting("format", "png", "Format", choices=("png", "jpg")),
    Setting("shown", True, "Shown"),
    Setting("clip_skip", 1, "Clip skip", ge=1, le=12, pixels=True),
)


def opened(path: Path, content: dict | bytes | None = None, **layers) -> Settings:
    """Settings over DECLARED, with `content` in their file and no environment but the one given."""
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return Settings(path, declared=SettingDeclarations(DECLARED), **{"environment": {}, **layers})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


class TestLayers:
    def test_the_default_comes_last(self, path: Path) -> None:
        assert opened(path).explain("quality") == (90, "default")

    def test_the_file_counts_more_than_the_default(self, path: Path) -> None:
        assert opened(path, {"quality": 80}).explain("quality") == (80, "file")

    def test_the_environment_counts_more_than_the_file(self, path: Path) -> None:
        found = opened(path, {"quality": 80}, environment={"EASEL_QUALITY": "70"})
        assert found.explain("quality") == (70, "environment")

    def test_the_command_line_counts_most(self, path: Path) -> None:
        found = opened(path, {"quality": 80}, environment={"EASEL_QUALITY": "70"}, command_line={"quality": 60})
        assert found.explain("quality") == (60, "command line")
        assert found["quality"] == 60

    def test_a_flag_that_was_not_given_says_nothing(self, path: Path) -> None:
        assert opened(path, command_line={"quality": None}).explain("quality") == (90, "default")

    def test_a_wrong_value_in_the_file_is_told_and_the_default_used(self, path: Path) -> None:
        found = opened(path, {"quality": 800, "shown": False})
        assert (found["quality"], found["quality"], found["shown"]) == (90, 90, False)
        assert found.problems == ["config.json: Quality is 800, but must be at most 100. The default is used."]

    def test_a_wrong_value_in_the_environment_says_where_to_mend_it(self, path: Path) -> None:
        with pytest.raises(UserError, match=r"Quality is 'best', but must be a whole number\. .* the environment"):
            opened(path, environment={"EASEL_QUALITY": "best"})["quality"]

    def test_a_setting_that_is_not_there_is_named(self, path: Path) -> None:
        with pytest.raises(UserError, match="'qualty'"):
            opened(path)["qualty"]

    def test_those_that_change_pixels_are_defaults_of_the_request(self, path: Path) -> None:
        assert opened(path, {"clip_skip": 2}).pixels() == {"clip_skip": 2}


class TestChanging:
    def test_a_change_is_in_force_and_survives_a_restart(self, path: Path) -> None:
        found = opened(path)
        found.set({"quality": "75", "shown": "no"})
        assert (found["quality"], found["shown"]) == (75, False)
        assert opened(path).all() == found.all()

    def test_one_wrong_value_leaves_everything_as_it_was(self, path: Path) -> None:
        found = opened(path, {"quality": 80})
        before = path.read_bytes()
        with pytest.raises(UserError, match="Format is 'gif', but must be one of png, jpg"):
            found.set({"quality": 70, "format": "gif"})
        assert found["quality"] == 80
        assert path.read_bytes() == before

    def test_values_of_settings_that_are_not_declared_now_stay_in_the_file(self, path: Path) -> None:
        opened(path, {"of_an_extension": 5}).set({"quality": 70})
        assert json.loads(path.read_text())["of_an_extension"] == 5

    def test_changes_from_many_threads_all_arrive(self, path: Path) -> None:
        found = opened(path)
        changes = [{"quality": 50}, {"strength": 0.25}, {"format": "jpg"}, {"shown": False}, {"clip_skip": 3}]
        threads = [threading.Thread(target=found.set, args=(change,)) for change in changes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert opened(path).all() == {name: value for change in changes for name, value in change.items()}

    @pytest.mark.parametrize(
        ("name", "value", "sentence"),
        [
            ("quality", 0, "Quality is 0, but must be at least 1."),
            ("quality", 3.7, "Quality is '3.7', but must be a whole number."),
            ("quality", float("inf"), "Quality is 'inf', but must be a whole number."),
            ("quality", [1], "Quality is '[1]', but must be a whole number."),
            ("strength", float("nan"), "Strength is 'nan', but must be a number."),
            ("strength", -1, "Strength is -1.0, but must be at least 0."),
            ("shown", "perhaps", "Shown is 'perhaps', but must be on or off."),
            ("format", None, "Format is 'None', but must be text."),
            ("format", "\ud800", "Format is '\\ud800', but must be text."),
            ("format", "a\0b", "Format is 'a\\x00b', but must be text."),
        ],
    )
    def test_what_does_not_fit_is_refused_with_a_sentence(self, path: Path, name, value, sentence: str) -> None:
        with pytest.raises(UserError) as refused:
            opened(path).set({name: value})
        assert refused.value.message == sentence
        assert not path.exists()


class TestBrokenFiles:
    @pytest.mark.parametrize(
        "content",
        [b"{", b"", b"[1, 2]", b"\xff\xfe\x00", b"[" * 100_000],
        ids=["cut", "empty", "list", "binary", "deep"],
    )
    def test_a_file_that_cannot_be_read_is_set_aside_and_told(self, path: Path, content: bytes) -> None:
        found = opened(path, content)
        assert found.all() == {setting.name: setting.default for setting in DECLARED}
        assert "config.json could not be read" in found.problems[0]
        assert "config.broken.json" in found.problems[0]
        assert path.with_suffix(".broken.json").read_bytes() == content
        assert not path.exists()

    def test_a_file_as_windows_writes_it_is_read(self, path: Path) -> None:
        assert opened(path, b'\xef\xbb\xbf{"quality": 80}')["quality"] == 80

    def test_a_folder_in_the_files_place_is_one_sentence(self, path: Path) -> None:
        path.mkdir()
        with pytest.raises(UserError, match="cannot be read"):
            opened(path)


class TestDeclarations:
    def test_an_extensions_setting_appears_and_goes(self, path: Path) -> None:
        declared = SettingDeclarations(DECLARED)
        found = Settings(path, declared=declared, environment={})
        declared.add(Setting("sparkles", 3, "Sparkles", owner="glitter"))
        found.set({"sparkles": 5})
        assert found["sparkles"] == 5
        assert [setting.name for setting in declared][-1] == "sparkles"
        declared.remove("sparkles")
        assert "sparkles" not in declared
        assert "sparkles" not in found.all()

    def test_a_name_that_is_taken_is_refused(self) -> None:
        with pytest.raises(ValueError, match="'quality' is already declared"):
            SettingDeclarations(DECLARED).add(Setting("quality", 1, "Other"))

    def test_a_default_that_no_file_can_hold_is_refused(self) -> None:
        with pytest.raises(ValueError, match="'places' must be"):
            SettingDeclarations(DECLARED).add(Setting("places", ["here"], "Places"))

    @pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
    def test_every_default_of_ours_passes_its_own_check(self, setting: Setting) -> None:
        assert setting.checked(setting.default) == setting.default
        assert setting.label

    def test_those_of_ours_that_change_pixels_are_parameters_with_the_same_default(self) -> None:
        pixels = [setting for setting in SETTINGS if setting.pixels]
        assert pixels
        assert all(PARAMS[setting.name].default == setting.default for setting in pixels)
