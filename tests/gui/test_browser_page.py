"""Around the work: tabs, the full-screen viewer, settings, colours, narrow windows."""

from __future__ import annotations

import json
import urllib.request

import pytest

from modules.core.hooks import hook
from modules.gui.layout import Ui

from .conftest import PacedProgram, Visit

GENERATE = "#txt2img_generate"


def make_pictures(program: PacedProgram, prompt: str, count: int) -> None:
    """As a script would, through the API: seeds from 100 on."""
    values = {"prompt": prompt, "batch_count": count, "seed": 100, "tab": "txt2img"}
    request = urllib.request.Request(
        f"{program.address}/api/jobs", json.dumps(values).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).read()


def test_tabs_are_walked_by_keyboard_and_remembered_in_the_address(person: Visit, paced: PacedProgram) -> None:
    page = person.page
    page.focus("#tab_txt2img-button")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#tab_img2img-button", "aria-selected") == "true"
    page.keyboard.press("End")
    assert page.get_attribute("#tab_settings-button", "aria-selected") == "true"
    assert page.is_visible("#setting_samples_format") and not page.is_visible(GENERATE)
    assert page.url.endswith("#settings")
    assert page.get_attribute("#tab_settings", "role") == "tabpanel"
    page.reload()
    page.wait_for_selector("#setting_samples_format", state="visible")
    page.keyboard.press("Control+Enter")
    page.goto(f"{paced.address}/#txt2img")
    page.wait_for_selector(GENERATE, state="visible")


def test_a_picture_fills_the_window_and_keys_walk_and_close(person: Visit, paced: PacedProgram) -> None:
    make_pictures(paced, "a row of boats", 3)
    page = person.page
    person.wait_for_picture_of("a row of boats")
    page.wait_for_function("document.title === 'Easel' && document.querySelectorAll('.film .thumb img').length === 3")
    page.wait_for_function("document.querySelector('.story-settings').textContent.includes('Seed: 102')")
    page.click(".frame")
    page.wait_for_selector("dialog.viewer[open]")
    assert page.inner_text(".viewer-words").startswith("3 of 3 · 64 × 64 · seed 102")
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".viewer-words").startswith("1 of 3")
    page.mouse.move(700, 450)
    page.mouse.wheel(0, -600)
    page.wait_for_function("!document.querySelector('.viewer-image').style.transform.endsWith('scale(1)')")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog.viewer[open]", state="hidden")
    page.wait_for_function("document.querySelector('.story-settings').textContent.includes('Seed: 100')")


def test_a_picture_can_be_downloaded_under_its_name(person: Visit, paced: PacedProgram) -> None:
    make_pictures(paced, "a single boat", 1)
    person.wait_for_picture_of("a single boat")
    with person.page.expect_download() as download:
        person.page.click("text=Download")
    record = paced.studio.pictures(limit=1)[0]
    assert download.value.suggested_filename == record.path.name
    assert download.value.path().read_bytes() == record.path.read_bytes()


def test_an_earlier_picture_comes_back_to_the_stage_with_one_click(person: Visit, paced: PacedProgram) -> None:
    make_pictures(paced, "a pair of boats", 2)
    person.wait_for_picture_of("a pair of boats")
    person.page.wait_for_function("document.title === 'Easel'")
    person.page.click(".recent-grid .thumb >> nth=1")
    person.page.wait_for_function("document.querySelector('.story-settings')?.textContent.includes('Seed: 100')")
    assert person.page.locator(".film [aria-current=true]").count() == 1


def test_settings_are_saved_and_refused_in_the_page(person: Visit, paced: PacedProgram) -> None:
    page = person.page
    page.click("#tab_settings-button")
    page.fill("#setting_samples_filename_pattern input", "[seed]-[steps]")
    page.click("#settings_submit")
    page.wait_for_function("document.querySelector('#settings_message').textContent === 'Saved.'")
    assert paced.studio.settings["samples_filename_pattern"] == "[seed]-[steps]"
    page.fill("#setting_jpeg_quality input[type=number]", "900")
    page.click("#settings_submit")
    page.wait_for_function(
        "document.querySelector('#settings_message').textContent.startsWith('JPEG and WebP quality')"
    )
    assert paced.studio.settings["jpeg_quality"] == 90
    paced.studio.settings.set({"samples_filename_pattern": "[seed]"})


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_words_are_readable_on_their_ground(visit, paced: PacedProgram, colours: str) -> None:
    person = visit(paced.address, color_scheme=colours)
    contrast = person.page.evaluate(CONTRAST)
    assert min(contrast.values()) >= 4.5, contrast


CONTRAST = """() => {
    const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const parts = numbers(getComputedStyle(at).backgroundColor);
            if (parts.length === 3 || parts[3] === 1) return parts;
        }
        return [255, 255, 255];
    };
    const light = (parts) => {
        const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = parts.map((part) => linear(part / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const pairs = {};
    for (const selector of ["#txt2img_prompt [data-testid=block-info]", "#txt2img_prompt textarea", "#txt2img_generate",
                            "[role=tab]", ".engine-words", ".rail h2", ".queue-empty", ".fold-head", ".chip",
                            "#txt2img_token_counter"]) {
        const element = document.querySelector(selector);
        const [a, b] = [light(numbers(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
        pairs[selector] = (a + 0.05) / (b + 0.05);
    }
    return pairs;
}"""


def test_nothing_sticks_out_and_generate_is_in_reach_at_every_width(visit, paced: PacedProgram) -> None:
    page = visit(paced.address, width=390, height=844).page
    for width in (390, 768, 1100, 1440):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.mouse.wheel(0, 3000)
        box = page.locator(GENERATE).bounding_box()
        assert box["y"] + box["height"] <= 844 and box["width"] >= 120


class Sparkle:
    @hook
    def building_ui(self, ui: Ui) -> None:
        import gradio as gr

        def build() -> None:
            box = gr.Textbox(label="Sparkles", elem_id="sparkles")
            gr.Button("Count", elem_id="count").click(lambda text: text * 2, box, box)

        ui.tab("Sparkle", build)


class Broken:
    @hook
    def building_ui(self, ui: Ui) -> None:
        raise RuntimeError("the <b>glitter</b> ran out")


def test_an_extension_has_a_tab_that_works_and_a_failing_one_is_named(
    visit, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program = PacedProgram(tmp_path_factory.mktemp("extended"), {"sparkle": Sparkle(), "broken-one": Broken()})
    try:
        person: Visit = visit(program.address)
        page = person.page
        assert "broken-one failed at building_ui: RuntimeError: the <b>glitter</b> ran out" in page.inner_text(
            ".notice"
        )
        page.click("[role=tab]:has-text('Sparkle')")
        page.fill("#sparkles textarea, #sparkles input", "ab")
        page.click("#count")
        page.wait_for_function("document.querySelector('#sparkles').querySelector('textarea, input').value === 'abab'")
    finally:
        program.stop()
