"""A person paints on a picture: masks, undo, colours, frames, and what reaches the server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.hooks import hook
from modules.core.request import GenerationRequest

from .conftest import PacedProgram, Visit

CANVAS = "#inpaint_canvas"
SOURCE = "document.querySelector('easel-source[tab=inpaint]')"


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 x 64: red on the left, blue on the right."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :48], pixels[:, 48:] = (200, 30, 30), (30, 30, 200)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def painter(person: Visit, photo: Path) -> Iterator[Visit]:
    """Somebody on the Inpaint tab with a picture before them."""
    page = person.page
    page.click("#tab_inpaint-button")
    page.evaluate(f"{SOURCE}.look('source')")
    page.set_input_files("easel-source[tab=inpaint] > input[type=file]", photo)
    page.wait_for_function(f"{SOURCE}.input?.width === 96 && {SOURCE}.sight.bitmap?.width === 96")
    page.evaluate(f"{SOURCE}.setBrush({{ size: 10, hardness: 1 }}); {SOURCE}.choose('brush')")
    page.wait_for_function("document.activeElement?.id === 'inpaint_image'")
    yield person
    page.evaluate(f"{SOURCE}.removePicture()")
    page.wait_for_function(f"!{SOURCE}.input")


def point(visit: Visit, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the picture is on the screen."""
    at = visit.page.evaluate(f"{SOURCE}.sight.place({x}, {y})")
    box = visit.page.locator(CANVAS).bounding_box()
    return box["x"] + at["left"], box["y"] + at["top"]


def draw(visit: Visit, *places: tuple[float, float]) -> None:
    mouse = visit.page.mouse
    mouse.move(*point(visit, *places[0]))
    mouse.down()
    for place in places[1:]:
        mouse.move(*point(visit, *place), steps=4)
    mouse.up()


def mask_now(visit: Visit) -> np.ndarray:
    """The mask in the browser, (64, 96)."""
    return np.array(visit.page.evaluate(f"Array.from({SOURCE}.mask.data)"), np.uint8).reshape(64, 96)


def generated(visit: Visit, program: PacedProgram) -> GenerationRequest:
    """Presses Generate and gives the request that was queued."""
    before = {job.id for job in program.studio.jobs()}
    visit.page.click("#inpaint_generate")
    visit.page.wait_for_selector(".stage-cell[data-view=result] easel-stage[tab=inpaint]")
    visit.page.wait_for_function("document.querySelector('easel-stage[tab=inpaint]:not(.working) .film .thumb img')")
    return next(job.request for job in program.studio.jobs() if job.id not in before)


def stored(program: PacedProgram, visit: Visit, picture: str) -> np.ndarray:
    answer = visit.page.request.get(f"{program.address}/inputs/{picture}")
    return np.asarray(Image.open(io.BytesIO(answer.body())).convert("RGB"))


def test_what_was_painted_is_the_mask_of_the_job(painter: Visit, paced: PacedProgram) -> None:
    draw(painter, (20, 20), (70, 20))
    request = generated(painter, paced)
    mask = stored(paced, painter, request.mask)[..., 0]
    assert mask.shape == (64, 96)
    assert mask[20, 20:70].min() == 255
    assert mask[30:].max() == 0 and mask[:12].max() == 0
    picture = stored(paced, painter, request.init_image)
    assert (picture[5, 5] == (200, 30, 30)).all() and (picture[5, 90] == (30, 30, 200)).all()
    assert painter.complaints == []


def test_undo_and_redo_go_through_strokes_one_by_one(painter: Visit) -> None:
    draw(painter, (10, 10), (40, 10))
    draw(painter, (10, 50), (40, 50))
    both = mask_now(painter)
    painter.page.keyboard.press("Control+z")
    one = mask_now(painter)
    assert one[10, 20] == 255 and one[50, 20] == 0
    painter.page.keyboard.press("Control+z")
    assert mask_now(painter).max() == 0
    painter.page.keyboard.press("Control+z")  # nothing is left to undo
    painter.page.keyboard.press("Control+Shift+z")
    painter.page.keyboard.press("Control+Shift+z")
    assert (mask_now(painter) == both).all()


def test_the_eraser_takes_away_and_inverting_turns_over(painter: Visit) -> None:
    draw(painter, (20, 32), (76, 32))
    painter.page.keyboard.press("e")
    draw(painter, (48, 32), (49, 32))
    mask = mask_now(painter)
    assert mask[32, 48] == 0 and mask[32, 24] == 255
    painter.page.keyboard.press("i")
    assert (mask_now(painter) == 255 - mask).all()


def test_rectangle_and_lasso_fill_what_they_enclose(painter: Visit) -> None:
    painter.page.keyboard.press("r")
    draw(painter, (10, 10), (30, 30))
    painter.page.keyboard.press("l")
    draw(painter, (50, 10), (90, 10), (90, 50), (50, 50))
    mask = mask_now(painter)
    assert mask[12:28, 12:28].min() == 255 and mask[40:, :40].max() == 0
    assert mask[15:45, 55:85].min() == 255


def test_the_wand_fills_what_has_the_same_colour(painter: Visit) -> None:
    painter.page.keyboard.press("f")
    draw(painter, (80, 40))
    mask = mask_now(painter)
    assert mask[:, 48:].min() == 255 and mask[:, :48].max() == 0


def test_a_colour_painted_becomes_part_of_the_picture(painter: Visit, paced: PacedProgram) -> None:
    painter.page.check("easel-source[tab=inpaint] .source-sketch input[type=checkbox]")
    painter.page.evaluate(f"{SOURCE}.setBrush({{ colour: '#00c800' }})")
    draw(painter, (20, 20), (40, 20))
    painter.page.uncheck("easel-source[tab=inpaint] .source-sketch input[type=checkbox]")
    request = generated(painter, paced)
    picture = stored(paced, painter, request.init_image)
    assert (picture[20, 30] == (0, 200, 0)).all() and (picture[50, 30] == (200, 30, 30)).all()
    assert stored(paced, painter, request.mask)[20, 30, 0] == 255


def test_dragging_the_frame_carries_the_picture_on(painter: Visit, paced: PacedProgram) -> None:
    handle = painter.page.locator("easel-source[tab=inpaint] .board-handle-right").bounding_box()
    scale = painter.page.evaluate(f"{SOURCE}.sight.scale / {SOURCE}.sight.ratio")
    x, y = handle["x"] + 4, handle["y"] + 20
    painter.page.mouse.move(x, y)
    painter.page.mouse.down()
    painter.page.mouse.move(x + 32 * scale, y, steps=4)
    painter.page.mouse.up()
    painter.page.wait_for_function(
        "document.querySelector('#inpaint_outpaint_right input[type=number]').value === '32'"
    )
    assert generated(painter, paced).outpaint_right == 32


def test_picture_and_mask_survive_a_reload(painter: Visit) -> None:
    draw(painter, (20, 20), (70, 20))
    before = mask_now(painter)
    painter.page.evaluate(f"{SOURCE}.keep()")
    painter.page.wait_for_function(
        "JSON.parse(localStorage['easel.inpaint']).values.mask !== ''",
    )
    painter.page.reload()
    painter.ready()
    painter.page.wait_for_function(f"{SOURCE}.mask?.data.some((value) => value === 255)")
    assert (mask_now(painter) == before).all()


def test_a_mask_that_was_not_stored_yet_survives_a_reload(painter: Visit) -> None:
    draw(painter, (20, 20), (70, 20))
    before = mask_now(painter)
    painter.page.evaluate(f"{SOURCE}.draft()")
    painter.page.evaluate(f"clearTimeout({SOURCE}.resting); {SOURCE}.keep = async () => {{}}")  # a server out of reach
    painter.page.wait_for_function("""new Promise((answer) => {
        const opening = indexedDB.open("easel", 1);
        opening.onsuccess = () => {
            const asked = opening.result.transaction("drafts").objectStore("drafts").get("inpaint");
            asked.onsuccess = () => (opening.result.close(), answer(Boolean(asked.result?.mask)));
        };
    })""")
    assert not painter.page.evaluate("JSON.parse(localStorage['easel.inpaint']).values.mask")
    painter.page.reload()
    painter.ready()
    painter.page.wait_for_function(f"{SOURCE}.mask?.data.some((value) => value === 255)")
    assert (mask_now(painter) == before).all()


def test_a_picture_too_large_for_the_model_keeps_its_size_and_only_its_masked_part_is_painted(painter: Visit) -> None:
    large = painter.page.evaluate(f"{SOURCE}.sizeFor({{ width: 3000, height: 2000 }})")
    assert large["inpaint_area"] == "Only masked"
    assert large["width"] * large["height"] < 200 * 200
    assert painter.page.evaluate(f"{SOURCE}.sizeFor({{ width: 96, height: 64 }})") == {"width": 96, "height": 64}


class Halves:
    @hook
    def offering_masks(self, masks: dict) -> None:
        masks["Left half"] = lambda pixels: np.arange(96)[None].repeat(64, 0) < 48


def test_a_mask_that_an_extension_makes_is_chosen_from_a_list(paced: PacedProgram, request) -> None:
    paced.hooks.register(Halves(), "halves")
    try:
        painter = request.getfixturevalue("painter")
        painter.page.evaluate(f"{SOURCE}.bar.automatic.look()")
        painter.page.click("easel-source[tab=inpaint] [data-act=masks]")
        painter.page.click("text=Left half")
        painter.page.wait_for_function(f"{SOURCE}.mask.data[0] === 255")
        mask = mask_now(painter)
        assert mask[:, :48].all() and not mask[:, 48:].any()
        painter.page.keyboard.press("Control+z")
    finally:
        paced.hooks.unregister("halves")


def test_without_a_mask_the_page_says_that_the_whole_picture_is_painted(painter: Visit) -> None:
    assert not painter.page.is_visible("easel-source[tab=inpaint] [data-act=masks]")  # nobody makes any
    painter.page.evaluate(f"{SOURCE}.pressed()")
    assert "Nothing is masked" in painter.page.inner_text("#inpaint_message")
    painter.page.evaluate(f"{SOURCE}.look('source')")
    draw(painter, (20, 20), (70, 20))
    painter.page.evaluate(f"document.querySelector('easel-message[tab=inpaint]').say(''); {SOURCE}.pressed()")
    assert painter.page.inner_text("#inpaint_message") == ""


def test_the_keys_are_shown_on_request(painter: Visit) -> None:
    painter.page.keyboard.press("?")
    assert "Ctrl+Z" in painter.page.inner_text(".source-keys:popover-open")
    painter.page.keyboard.press("Escape")
    assert painter.page.query_selector(".source-keys:popover-open") is None


def test_a_file_that_is_no_picture_is_refused_with_a_sentence(painter: Visit) -> None:
    not_one = {"name": "x.png", "mimeType": "image/png", "buffer": b"<html>no picture</html>"}
    painter.page.set_input_files("easel-source[tab=inpaint] > input[type=file]", not_one)
    painter.page.wait_for_selector("#inpaint_message strong")
    assert painter.page.inner_text("#inpaint_message").strip()
    assert painter.page.evaluate(f"{SOURCE}.input.width") == 96
    painter.complaints.clear()  # the browser notes every refused request


def test_without_a_picture_the_tab_says_so(person: Visit) -> None:
    person.page.click("#tab_img2img-button")
    person.page.click("#img2img_generate")
    person.page.wait_for_selector("#img2img_message strong")
    assert "picture" in person.page.inner_text("#img2img_message")
