"""Extras in a browser: pictures come in, their size to be is told, what came out is compared with what went in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modules.imaging.png import png
from tests.gui.conftest import PacedProgram, Visit
from tests.jobs.painting import finished, until

NAMES = "[...document.querySelectorAll('#extras_image .tray-item')].length"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three plain pictures, 60 x 40 pixels."""
    paths = [tmp_path / f"{level}.png" for level in (60, 120, 180)]
    for path in paths:
        path.write_bytes(png(np.full((40, 60, 3), int(path.stem), np.uint8), {}))
    return paths


@pytest.fixture
def extras(person: Visit) -> Visit:
    """Somebody at the Extras tab, with nothing chosen yet."""
    person.page.click("#tab_extras-button")
    person.page.click("easel-tray-looks [data-look=source]")
    person.page.evaluate(
        """async () => {
            const { apply, form } = await import("/static/values.js");
            apply("extras", { ...form("extras").filled, init_image: "", batch_files: "" });
        }"""
    )
    person.page.wait_for_selector("easel-tray .board-invite:not([hidden])")
    return person


def _bring(visit: Visit, files: list[Path]) -> None:
    visit.page.set_input_files("easel-tray input[type=file]", [str(path) for path in files])
    visit.page.wait_for_function(f"{NAMES} === {len(files)}")


def test_a_picture_is_enlarged_and_compared_with_what_it_was(
    extras: Visit, paced: PacedProgram, files: list[Path]
) -> None:
    page = extras.page
    _bring(extras, files[:1])
    page.wait_for_function("document.querySelector('easel-tray .source-facts').textContent === '60 × 40 → 240 × 160'")
    page.fill("#extras_upscaling_resize input[type=number]", "2.5")
    page.wait_for_function("document.querySelector('easel-tray .source-facts').textContent === '60 × 40 → 150 × 100'")
    assert not page.is_visible("#extras_upscaling_resize_w")
    page.click("#extras_generate")
    job = until(lambda: next((job for job in paced.studio.jobs() if job.tab == "extras"), None))
    request = finished(paced.studio, job.id).request
    assert (request.extras, request.upscaler_1, request.upscaling_resize) == (True, "Lanczos", 2.5)
    assert paced.studio.inputs.get(request.init_image).width == 60
    page.wait_for_selector("#extras_picture")
    assert "seed" not in page.inner_text("#tab_extras .progress-words")
    page.click(".tray-compare")
    page.wait_for_selector("dialog.compare[open]")
    assert "Before · 60 × 40" in page.inner_text("dialog.compare")
    page.keyboard.press("Escape")
    assert extras.complaints == []


def test_several_pictures_become_one_job_and_each_can_be_taken_out(
    extras: Visit, paced: PacedProgram, files: list[Path]
) -> None:
    page = extras.page
    _bring(extras, files)
    page.click("#extras_image .tray-item:nth-child(2) button")
    page.wait_for_function(f"{NAMES} === 2")
    before = len(paced.studio.jobs())
    page.click("#extras_generate")
    until(lambda: len(paced.studio.jobs()) > before)
    request = paced.studio.jobs()[0].request
    assert request.pictures == 2
    shown = [paced.studio._inputs.pixels(name)[0, 0, 0] for name in request.files]
    assert shown == [60, 180]


def test_a_picture_is_sent_here_from_the_gallery(extras: Visit, paced: PacedProgram) -> None:
    page = extras.page
    made = finished(paced.studio, paced.studio.submit({"prompt": "to enlarge", "steps": 1}).id)
    page.click("#tab_txt2img-button")
    extras.wait_for_picture_of("to enlarge")
    page.click("#tab_txt2img [data-send=extras]")
    page.wait_for_function("document.body.dataset.tab === 'extras'")
    page.wait_for_function(f"{NAMES} === 1")
    size = paced.studio.picture(made.pictures[0]).width
    page.wait_for_function(
        "size => document.querySelector('easel-tray .source-facts').textContent.startsWith(size)", arg=f"{size} ×"
    )
    named = page.input_value("#extras_init_image textarea, #extras_init_image input")
    assert paced.studio.inputs.get(named).width == size


def test_without_a_picture_one_sentence_says_what_is_missing(extras: Visit) -> None:
    extras.page.click("#extras_generate")
    extras.page.wait_for_selector("#extras_message strong")
    assert "There is no picture to enlarge." in extras.page.inner_text("#extras_message")
