"""The Models tab in a browser: cards, search, tags in the prompt, what the owner writes, the trash."""

from __future__ import annotations

import json
import re

import pytest
import torch
from safetensors.torch import save

import modules.engine.making  # noqa: F401 (it takes seconds, which no job should wait for)
from tests.catalog import architectures as made
from tests.catalog.test_detect import write_header
from tests.jobs.painting import until
from tests.jobs.source import Source

COUNT = ".models-bar .history-count"


@pytest.fixture
def shelf(paced, person):
    """The Models tab showing forty LoRAs."""
    folder = paced.folder / "models" / "Lora"
    (folder / "style").mkdir(parents=True, exist_ok=True)
    for number in range(39):
        write_header(folder / f"pen{number:02}.safetensors", made.lora_layers())
    write_header(folder / "style" / "ink.safetensors", made.lora_layers(context=2048))
    (folder / "style" / "ink.json").write_text(
        json.dumps({"activation text": "inky", "preferred weight": 0.7, "id": 1})
    )
    paced.studio.collection.look_again()
    person.page.click("#tab_models-button")
    person.page.click("[data-kind=LoRA]")
    person.page.wait_for_function(f"document.querySelector('{COUNT}').textContent === '40 files'")
    yield person
    assert person.complaints == []


def test_a_lora_is_found_and_a_click_puts_its_tag_into_the_prompt_and_out_again(shelf, paced):
    page = shelf.page
    page.fill("#models_words", "ink")
    page.wait_for_function(f"document.querySelector('{COUNT}').textContent === '1 of 40'")
    page.click(".model-cell")
    assert page.input_value("#txt2img_prompt textarea") == "<lora:ink:0.7> inky"
    assert "inky" in page.inner_text(".model-words")
    page.click(".model-cell")
    assert page.input_value("#txt2img_prompt textarea").replace("inky", "").strip(" ,") == ""

    page.fill(".model-panel [data-field=notes]", "for night scenes")
    page.keyboard.press("Tab")
    card = paced.folder / "models" / "Lora" / "style" / "ink.json"
    until(lambda: json.loads(card.read_text()).get("notes") == "for night scenes")
    page.fill("#models_words", "")


def test_what_is_being_typed_outlives_news_and_a_refused_name_can_be_mended(shelf, paced):
    page = shelf.page
    page.fill("#models_words", "pen07")
    page.wait_for_function(f"document.querySelector('{COUNT}').textContent === '1 of 40'")
    page.press("#models_words", "ArrowDown")
    page.fill(".model-panel [data-field=notes]", "half a sen")
    with page.expect_response("**/api/models/kinds/LoRA"):
        paced.studio.collection.look_again()
    page.keyboard.type("tence")
    assert page.input_value(".model-panel [data-field=notes]") == "half a sentence"

    page.click("[aria-label='Rename…']")
    page.fill("#model_place", "pen08")
    page.keyboard.press("Enter")
    page.wait_for_selector("#models_place strong >> text=There is a file pen08.safetensors already.")
    shelf.complaints.clear()  # browsers tell of every refusal
    page.fill("#model_place", "pen07 🎨")
    page.keyboard.press("Enter")
    page.wait_for_selector(".model-panel h3 >> text=pen07 🎨")
    assert page.evaluate("document.activeElement.matches('.grid')")
    card = paced.folder / "models" / "Lora" / "pen07 🎨.json"
    assert json.loads(card.read_text())["notes"] == "half a sentence"
    page.click("[aria-label='Rename…']")
    page.fill("#model_place", "pen07")
    page.keyboard.press("Enter")
    page.wait_for_selector(".model-panel h3 >> text=/^pen07$/")
    page.fill("#models_words", "")


def test_only_cards_in_sight_are_in_the_document_and_the_trash_gives_back(shelf):
    page = shelf.page
    page.fill("#models_words", "pen")
    page.wait_for_function(f"document.querySelector('{COUNT}').textContent === '39 of 40'")
    page.click(".model-more >> nth=0", force=True)
    page.wait_for_selector(".model-why")
    page.click(".model-panel [aria-label='Move to the trash']")
    page.wait_for_function(f"document.querySelector('{COUNT}').textContent === '38 of 39'")
    page.click("#models_trash")
    page.click("#models_trash_sheet .folder button")
    page.wait_for_selector("#models_trash_sheet .folder", state="detached")
    page.keyboard.press("Escape")
    page.wait_for_function(f"document.querySelector('{COUNT}').textContent === '39 of 40'")
    page.fill("#models_words", "")


def test_nothing_is_asked_of_a_model_that_is_in_the_trash_already(shelf):
    page, asked = shelf.page, []
    page.route(re.compile("/api/models/[0-9a-f]{16}"), lambda route: asked.append(route))
    page.fill("#models_words", "pen03")
    page.wait_for_function(f"document.querySelector('{COUNT}').textContent === '1 of 40'")
    page.click(".model-more", force=True)
    until(lambda: page.evaluate("true") and asked)
    page.evaluate("import('/static/shelf.js').then(({ shelf }) => (shelf.changed(shelf.chosen), void shelf.discard()))")
    asked[0].continue_()
    until(lambda: page.evaluate("true") and len(asked) == 2)
    assert asked[1].request.url.endswith("/trash")  # news of the model came meanwhile: it was not asked again
    asked[1].continue_()
    page.wait_for_function(f"document.querySelector('{COUNT}').textContent === '0 of 39'")
    page.unroute_all()
    page.fill("#models_words", "")


def test_a_model_is_fetched_from_its_address_and_stands_on_the_shelf(shelf):
    page = shelf.page
    page.click("#models_get")
    page.wait_for_selector(".get-offer >> text=SDXL 1.0")
    with Source(save({"emb_params": torch.ones(2, 768)}), tricks=["stall"]) as source:
        page.fill("#models_get_address", source.address("mossy.safetensors"))
        page.keyboard.press("Enter")
        until(lambda: source.given)
        page.click("#models_get_running button >> text=Stop")
        page.click("#models_get_running [data-state=stopped] button:visible >> nth=0")
        page.wait_for_selector("#models_get_running [data-state=finished] >> text=SD 1.x embedding")
    page.keyboard.press("Escape")
    page.click("[data-kind=embedding]")
    page.wait_for_selector(".model-cell >> text=mossy")


def test_a_checkpoint_is_converted_in_a_sheet_and_can_be_chosen_by_itself(person, paced):
    page = person.page
    page.click("#tab_models-button")
    page.click("[data-kind=checkpoint]")
    page.click(".model-cell[aria-label=toy] .model-more", force=True)
    page.click("#model_convert")
    page.wait_for_selector("#models_tool .tool-go:enabled")
    assert not page.is_visible("#tool_ema")
    page.fill("#tool_name", "toy")
    page.wait_for_selector("#models_tool .message-error")
    assert "There is a file toy.safetensors already." in page.inner_text("#models_tool")
    page.fill("#tool_name", "toy in bf16")
    page.select_option("#tool_dtype", "bf16")
    page.click("#models_tool .tool-go:enabled")
    page.wait_for_selector(".model-cell[aria-label='toy in bf16'][aria-selected=true]")
    page.wait_for_function(
        """async () => (await import("/static/values.js")).form("txt2img").choices.checkpoint.includes("toy in bf16")"""
    )
    assert person.complaints == []
