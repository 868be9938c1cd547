"""The page as it is built: ids, tabs, what extensions add, and what it does not import."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from modules.core.hooks import Hooks, hook
from modules.core.params import ALL, EXTENSION_PARAMS, TXT2IMG, Param, param, params_of
from modules.core.request import PARAMS, GenerationRequest
from modules.core.settings import Settings
from modules.gui.generate_tab import build_generate_tab
from modules.gui.layout import Tab, Ui
from modules.gui.look import head, theme
from modules.gui.offers import offers
from modules.gui.page import build_page
from modules.studio import Studio
from tests import flow_models as made
from tests.catalog.test_detect import write_header
from tests.conftest import folders_in

IDS = {
    *("tab_txt2img", "tab_settings", "setting_samples_format"),
    *("txt2img_prompt", "txt2img_neg_prompt", "txt2img_generate", "txt2img_steps", "txt2img_sampling"),
    *("txt2img_scheduler", "txt2img_cfg_scale", "txt2img_seed", "txt2img_random_seed", "txt2img_reuse_seed"),
    *("txt2img_width", "txt2img_height", "txt2img_res_switch_btn", "txt2img_batch_count", "txt2img_batch_size"),
    *("txt2img_checkpoint", "txt2img_vae", "txt2img_clip_skip", "txt2img_results", "txt2img_settings"),
}


def ids(page: gr.Blocks) -> set[str]:
    return {component["props"].get("elem_id") for component in page.get_config_file()["components"]}


def text(page: gr.Blocks) -> str:
    return str([component["props"].get("value") for component in page.get_config_file()["components"]])


def test_the_page_has_the_ids_that_scripts_look_up(studio: Studio) -> None:
    assert ids(build_page(studio, studio.hooks)) >= IDS


def test_the_page_is_lean(studio: Studio) -> None:
    assert len(build_page(studio, studio.hooks).get_config_file()["components"]) < 600


def test_nothing_of_the_page_is_a_public_api_of_gradio(studio: Studio) -> None:
    info = build_page(studio, studio.hooks).get_api_info()
    assert info["named_endpoints"] == {}


def test_a_made_up_parameter_of_a_subclass_has_a_widget_and_goes_into_the_request(studio: Studio) -> None:
    class Warm(GenerationRequest):
        warmth: float = param(0.5, slider=(0, 1, 0.1), label="Warmth", group="weather", tabs=ALL)

    with gr.Blocks() as page:
        form = build_generate_tab(page, studio, TXT2IMG, params_of(Warm))
    assert "txt2img_warmth" in ids(page)
    assert form.widgets["warmth"].label == "Warmth"


def test_a_parameter_of_another_tab_stays_away(studio: Studio) -> None:
    class WithStrength(GenerationRequest):
        strength: float = param(0.75, slider=(0, 1, 0.01), label="Denoising strength", tabs=("img2img",))

    with gr.Blocks() as page:
        build_generate_tab(page, studio, TXT2IMG, params_of(WithStrength))
        build_generate_tab(page, studio, "img2img", params_of(WithStrength))
    assert "txt2img_strength" not in ids(page)
    assert {"img2img_strength", "img2img_prompt", "img2img_generate"} <= ids(page)


def test_a_parameter_of_an_extension_has_a_widget(studio: Studio) -> None:
    EXTENSION_PARAMS.add(Param("sparkle", 0.0, "Sparkle", type=float, slider=(0, 1, 0.05), owner="glitter"))
    try:
        page = build_page(studio, studio.hooks)
    finally:
        EXTENSION_PARAMS.remove("sparkle")
    assert {"txt2img_sparkle", "txt2img_extensions"} <= ids(page)


class Sparkle:
    @hook
    def building_ui(self, ui: Ui) -> None:
        ui.tab("Sparkle & <co>", lambda: gr.Markdown("It sparkles."))


def test_an_extension_adds_a_tab(studio: Studio) -> None:
    studio.hooks.register(Sparkle(), "sparkle")
    page = build_page(studio, studio.hooks)
    assert "tab_sparkle_co" in ids(page)
    assert "Sparkle &amp; &lt;co&gt;" in text(page)


class Broken:
    @hook
    def building_ui(self, ui: Ui) -> None:
        ui.tab("Broken", self.build)

    def build(self) -> None:
        gr.Markdown("Half of it")
        raise RuntimeError("<the glitter> ran out")


def test_a_tab_that_cannot_be_built_says_so_and_the_others_stand(studio: Studio) -> None:
    studio.hooks.register(Broken(), "broken")
    studio.hooks.register(Sparkle(), "sparkle")
    page = build_page(studio, studio.hooks)
    assert {"tab_broken", "tab_sparkle_co", "tab_settings"} <= ids(page)
    assert "&lt;the glitter&gt; ran out" in text(page)
    assert "the glitter" in studio.problems()[0]


def test_two_tabs_cannot_bear_one_name() -> None:
    ui = Ui()
    ui.tab("Sparkle", print)
    with pytest.raises(ValueError, match="already a tab called 'sparkle'"):
        ui.tab("sparkle", print)
    assert [tab.elem_id for tab in ui.tabs] == ["tab_sparkle"]


def test_a_tab_without_latin_letters_still_has_an_id() -> None:
    assert Tab("設定", print).elem_id == "tab_設定"
    assert Tab("!!!", print).elem_id == "tab_extension"


def test_before_the_engine_is_ready_models_are_offered_and_samplers_are_not_known(studio: Studio) -> None:
    offered = offers(studio, PARAMS.values())
    assert offered["checkpoint"] == {"initial": "", "default": "toy", "choices": ["toy"]}
    assert offered["sampler"]["choices"] is None
    assert offered["vae"]["choices"] == ["Automatic", "None"]
    assert offered["width"] == {"initial": 512, "default": 64}


def test_a_file_that_cannot_be_loaded_is_not_offered(studio: Studio) -> None:
    place = studio.folders.checkpoints[0] / "page.safetensors"
    place.write_text("<!doctype html>")
    try:
        studio.refresh()
        assert offers(studio, [PARAMS["checkpoint"]])["checkpoint"]["choices"] == ["toy"]
    finally:
        place.unlink()


def test_fields_of_flow_models_depend_on_the_checkpoint(tmp_path: Path) -> None:
    made.write_tokenizer(tmp_path / "models")
    for name, shapes in (("dev", made.FLUX), ("schnell", made.SCHNELL), ("sd3", made.SD3_MEDIUM)):
        file = tmp_path / "models" / f"{name}.safetensors"
        write_header(file, made.all_in_one(shapes, "clip_l", "t5xxl"))
    names = ("distilled_cfg_scale", "hr_distilled_cfg", "flow_shift")
    folders = folders_in(tmp_path / "data", file)
    with closing(Studio(folders, Settings(folders.settings, environment={}), Hooks(), object)) as studio:
        offered = offers(studio, [PARAMS[name] for name in names])
    assert [offered[name]["only"] for name in names] == [
        ("checkpoint", ("dev",)),
        ("checkpoint", ("dev",)),
        ("checkpoint", ("dev", "schnell", "sd3")),
    ]


def test_the_look_needs_no_other_host() -> None:
    look: Any = theme()
    assert look._stylesheets == [] and look._font_css == []
    for everything in (look._get_theme_css(), head()):
        assert "//" not in everything.replace("http://www.w3.org/2000/svg", "")


def test_importing_the_page_brings_in_neither_torch_nor_the_engine() -> None:
    code = (
        "import sys, modules.gui.page; print([m for m in ('torch', 'diffusers', 'modules.engine') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr
