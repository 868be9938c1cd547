"""A person looks at what a picture says, sends it on, strips it, and has it painted once more."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from PIL import Image

from modules.imaging.metadata import read_parameters
from modules.imaging.save import encode

from .conftest import PacedProgram, Visit

PIXELS = numpy.full((64, 64, 3), (9 * 37 + 11) % 256, numpy.uint8)  # what the painting engine makes of seed 9
TEXT = (
    "a castle\nNegative prompt: fog\nSteps: 3, Sampler: Euler, CFG scale: 6, Seed: 9, Size: 64x64, Model: toy, "
    "ADetailer model: face, Version: v1.10.1"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "castle.png"
    path.write_bytes(encode(PIXELS, "png", TEXT)[0])
    return path


def shown(person: Visit, file: Path) -> None:
    """The tab with a picture that was chosen there."""
    person.page.click("#tab_png_info-button")
    person.page.set_input_files("easel-png-info input[type=file]", file)
    person.page.wait_for_selector(".info-entries")


def test_a_pictures_settings_are_read_sent_on_and_taken_out_of_it(person: Visit, file: Path) -> None:
    page = person.page
    shown(person, file)
    told = page.inner_text("#png_info_told")
    for words in ("Written by A1111 v1.10.1", "a castle", "fog", "ADetailer model: face could not be taken over."):
        assert words in told
    with page.expect_download() as waiting:
        page.click("#png_info_strip")
    bare = Path(waiting.value.path())
    assert waiting.value.suggested_filename == "castle-plain.png"
    assert read_parameters(bare) is None
    assert numpy.array_equal(numpy.array(Image.open(bare)), PIXELS)

    page.click('easel-png-info [data-send="txt2img"]')
    page.wait_for_function("document.querySelector('#txt2img_prompt textarea').value === 'a castle'")
    assert person.number("seed") == "9"
    assert "ADetailer" in person.message()
    assert person.complaints == []


def test_a_picture_is_painted_once_more_and_compared(person: Visit, file: Path) -> None:
    page = person.page
    shown(person, file)
    page.click("#png_info_reproduce")
    page.wait_for_function("document.querySelector('.again-words').textContent === 'It is the same to the bit.'")
    known = page.inner_text(".again-differences")
    assert "RNG GPU" in known and "ADetailer" in known
    page.click("#png_info_compare")
    page.wait_for_selector("dialog.compare[open]")
    page.keyboard.press("Escape")
    assert person.complaints == []


DROP = """async ([content, name, type]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(content)], name, { type }));
    const box = document.querySelector("#txt2img_prompt textarea");
    for (const kind of ["dragover", "drop"])
        box.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def test_settings_come_from_files_on_the_prompt_and_from_the_last_generation(
    person: Visit, paced: PacedProgram, file: Path
) -> None:
    page = person.page
    page.evaluate(DROP, [list(file.read_bytes()), "a.png", "image/png"])
    page.wait_for_function("document.querySelector('#txt2img_prompt textarea').value === 'a castle'")
    text = TEXT.replace("a castle", "a boat").encode()
    page.evaluate(DROP, [list(text), "a.txt", "text/plain"])
    page.wait_for_function("document.querySelector('#txt2img_prompt textarea').value === 'a boat'")

    (paced.studio.folders.data / "params.txt").write_text(TEXT.replace("a castle", "the last one"))
    page.fill("#txt2img_prompt textarea", "")
    page.click("#txt2img_paste")
    page.wait_for_function("document.querySelector('#txt2img_prompt textarea').value === 'the last one'")
    page.fill("#txt2img_prompt textarea", "just words")
    page.click("#txt2img_paste")
    page.wait_for_function("document.querySelector('#txt2img_message').textContent.includes('no settings text')")
    assert page.input_value("#txt2img_prompt textarea") == "just words"
