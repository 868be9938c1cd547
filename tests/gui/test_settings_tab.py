"""The page of settings: what is saved, what is refused, and what it says about a value's origin."""

from __future__ import annotations

import json
from collections.abc import Iterator

import gradio as gr
import pytest

from modules.core.files import Folders
from modules.core.hooks import Hooks
from modules.core.settings import SETTINGS, Setting, Settings
from modules.gui.offers import choice_lists
from modules.gui.settings_tab import build_settings_tab, shown, stored
from modules.studio import Studio


def test_every_setting_stands_on_the_page(studio: Studio) -> None:
    with gr.Blocks() as page:
        widgets = build_settings_tab(page, studio)
    assert set(widgets) == {setting.name for setting in SETTINGS}


@pytest.fixture
def extra_setting() -> Iterator[Setting]:
    setting = Setting("sparkle_limit", 3, "Most sparkles", "Per picture.", "Sparkle", ge=0, le=9, restart=True)
    SETTINGS.add(setting)
    yield setting
    SETTINGS.remove(setting.name)


def test_a_setting_of_an_extension_appears_in_its_section(studio: Studio, extra_setting: Setting) -> None:
    with gr.Blocks() as page:
        widgets = build_settings_tab(page, studio)
    assert isinstance(widgets["sparkle_limit"], gr.Slider)
    assert ">Sparkle</h2>" in str(page.get_config_file()["components"])


def test_only_what_changed_is_written(studio: Studio) -> None:
    given = studio.settings.all() | {"samples_format": "webp"}
    assert stored(studio, given) == {"note": "Saved."}
    assert json.loads(studio.folders.settings.read_text()) == {"samples_format": "webp"}
    assert stored(studio, given) == {"note": "Nothing was changed."}


def test_a_wrong_value_is_one_sentence_and_nothing_is_written(studio: Studio) -> None:
    answer = stored(studio, studio.settings.all() | {"jpeg_quality": 900, "samples_format": "jpg"})
    assert answer["message"] == "JPEG and WebP quality is 900, but must be at most 100."
    assert not studio.folders.settings.exists()


def test_a_setting_that_counts_from_the_next_start_is_named(studio: Studio, extra_setting: Setting) -> None:
    assert stored(studio, {"sparkle_limit": 5}) == {"note": "Saved. After the next start: Most sparkles."}


def test_the_page_says_where_a_value_comes_from(folders: Folders) -> None:
    settings = Settings(folders.settings, command_line={"checkpoint": "toy"}, environment={"EASEL_CLIP_SKIP": "2"})
    studio = Studio(folders, settings, Hooks(), lambda: None)
    try:
        lists = choice_lists(studio)
        checkpoint = shown(studio, SETTINGS.get("checkpoint"), lists)
        assert checkpoint["value"] == "toy"
        assert "command line" in checkpoint["info"]
        assert checkpoint["choices"] == [("(none)", ""), ("toy", "toy")]
        assert "environment" in shown(studio, SETTINGS.get("clip_skip"), lists)["info"]
    finally:
        studio.close()
