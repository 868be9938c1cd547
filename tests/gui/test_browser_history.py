"""A person looks through the history: searching, starring, throwing away, comparing, sending on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest

from modules.imaging.save import encode
from tests.jobs.painting import finished

from .conftest import PacedProgram, Visit

MANY = 10_000
SHOWN = "[...document.querySelectorAll('.cell')].map((cell) => cell.getAttribute('aria-label'))"


def make(program: PacedProgram, prompt: str, seed: int = 1) -> int:
    """A finished picture; gives its id."""
    job = program.studio.submit({"prompt": prompt, "steps": 1, "width": 64, "height": 64, "seed": seed})
    return finished(program.studio, job.id).pictures[0]


@pytest.fixture
def visitor(person: Visit, paced: PacedProgram) -> Visit:
    """Somebody at the History tab, with pictures of a red cat, a dog and a blue cat; the newest first."""
    paced.studio._database.write(lambda database: database.execute("DELETE FROM pictures"))
    prompts = ("a red cat", "a dog", "a blue cat")
    newest = [make(paced, prompt, seed) for seed, prompt in enumerate(prompts, start=5)][-1]
    person.page.click("#tab_history-button")
    person.page.evaluate(
        """async () => {
            const { library, EVERYTHING } = await import("/static/library.js");
            document.querySelector("easel-history").selection.none();
            document.querySelector("easel-history").bar.showEverything();
            await library.refresh();
        }"""
    )
    person.page.wait_for_selector(f'.cell[data-picture="{newest}"]')
    shows(person, ["a blue cat", "a dog", "a red cat"])
    return person


def shows(visit: Visit, prompts: list[str]) -> None:
    """Waits until these pictures are in the grid, in this order."""
    placed = """expected => JSON.stringify([...document.querySelectorAll('.cell')]
        .sort((a, b) => a.ariaPosInSet - b.ariaPosInSet)
        .map((cell) => cell.getAttribute('aria-label'))) === expected"""
    visit.page.wait_for_function(placed, arg=json.dumps(prompts, separators=(",", ":")))


def cell(prompt: str) -> str:
    return f'.cell[aria-label="{prompt}"]'


def test_words_seeds_and_stars_find_pictures(visitor: Visit) -> None:
    page = visitor.page
    page.fill("#history_words", "cat")
    shows(visitor, ["a blue cat", "a red cat"])
    assert page.inner_text(".history-count") == "2 of 3"
    page.fill("#history_words", "")
    page.fill("#history_seed", "6")
    shows(visitor, ["a dog"])
    page.click(".history-bar >> text=Clear")
    shows(visitor, ["a blue cat", "a dog", "a red cat"])
    page.click(cell("a red cat"))
    assert page.inner_text(".inspector .story-prompt") == "a red cat"
    page.keyboard.press("f")
    page.wait_for_selector(cell("a red cat") + ".cell-starred")
    page.click("#history_starred")
    shows(visitor, ["a red cat"])
    page.click("#history_starred")
    page.fill("#history_from", "2001-01-01")
    page.fill("#history_to", "2001-12-31")
    page.wait_for_selector("text=No picture fits.")
    assert visitor.complaints == [] and visitor.outside == []


def test_a_picture_goes_into_the_trash_and_comes_back_by_undo_or_from_there(
    visitor: Visit, paced: PacedProgram
) -> None:
    page = visitor.page
    page.click(cell("a dog"))
    page.keyboard.press("Delete")
    shows(visitor, ["a blue cat", "a red cat"])
    assert page.inner_text(".toast") == "1 picture moved to the trash.\nUndo"
    assert paced.studio.library.facts()["trashed"] == 1
    assert page.get_attribute(cell("a red cat"), "aria-selected") == "true"
    page.keyboard.press("Control+z")
    shows(visitor, ["a blue cat", "a dog", "a red cat"])

    page.click(cell("a dog"))
    page.click(cell("a red cat"), modifiers=["Shift"])
    page.click(".inspector .icon-clear")
    shows(visitor, ["a blue cat"])
    page.click("#history_trashed")
    page.wait_for_function("document.querySelectorAll('.cell').length === 2")
    page.click(cell("a dog"))
    page.click(".inspector >> text=Restore")
    page.wait_for_selector("text=1 picture restored.")
    page.click("#history_empty")
    page.click("text=Delete 1 picture for good")
    page.wait_for_selector("text=The trash is empty.")
    page.click("#history_trashed")
    shows(visitor, ["a blue cat", "a dog"])


def test_the_keyboard_walks_chooses_and_opens(visitor: Visit) -> None:
    page = visitor.page
    page.focus(".grid")
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    assert page.locator('.cell[aria-selected="true"]').count() == 2
    page.keyboard.press("Control+a")
    assert page.inner_text(".inspector-facts") == "3 pictures are chosen"
    page.keyboard.press("Escape")
    assert page.locator('.cell[aria-selected="true"]').count() == 0
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog.viewer[open] >> text=3 of 3")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("dialog.viewer[open] >> text=2 of 3")
    page.keyboard.press("Escape")
    page.wait_for_selector(cell("a dog") + '[aria-selected="true"]')


def test_two_pictures_are_compared_with_a_line_that_moves(visitor: Visit) -> None:
    page = visitor.page
    page.click(cell("a blue cat"))
    page.click(cell("a dog"), modifiers=["Control"])
    page.click(".inspector >> text=Compare")
    assert "Prompt differs · Seed: 6 → 7" in page.inner_text(".compare .viewer-words")
    line, space = page.locator(".compare-line"), page.locator(".compare-space").bounding_box()
    middle = line.bounding_box()
    page.mouse.move(middle["x"] + middle["width"] / 2, 400)
    page.mouse.down()
    page.mouse.move(space["width"] * 0.25, 400, steps=3)
    page.mouse.up()
    assert line.get_attribute("aria-valuenow") == "25"
    first = page.evaluate("getComputedStyle(document.querySelector('.compare-first')).clipPath")
    assert "75%" in first
    for key, expected in (("ArrowRight", "26"), ("Shift+ArrowLeft", "16"), ("End", "100"), ("Home", "0")):
        page.keyboard.press(key)
        assert line.get_attribute("aria-valuenow") == expected
    labels = page.locator(".compare-label").all_inner_texts()
    page.keyboard.press("x")
    assert page.locator(".compare-label").all_inner_texts() == labels[::-1]
    page.keyboard.press("Escape")


def test_a_picture_goes_to_another_tab_by_its_id_and_never_twice_over_the_wire(visitor: Visit) -> None:
    page = visitor.page
    page.click(cell("a dog"))
    with page.expect_request("**/api/inputs") as sent:
        page.click('.inspector [data-send="inpaint"]')
    assert set(json.loads(sent.value.post_data)) == {"picture"}
    page.wait_for_selector('easel-source[tab="inpaint"].has-picture')
    assert page.evaluate("document.body.dataset.tab") == "inpaint"
    page.wait_for_function("document.querySelector('#inpaint_prompt textarea').value === 'a dog'")
    page.click("#tab_history-button")
    page.dblclick(cell("a red cat"))
    page.click('dialog.viewer[open] [data-send="txt2img"]')
    page.wait_for_function("document.querySelector('#txt2img_prompt textarea').value === 'a red cat'")
    assert page.locator("dialog[open]").count() == 0
    page.hover("#txt2img_results ~ .rail .thumb, .rail .thumb")
    page.click(".thumb-send")
    page.click('[role="menuitem"] >> text="To img2img"')
    page.wait_for_selector('easel-source[tab="img2img"].has-picture')
    assert visitor.complaints == []


def test_a_new_picture_appears_at_the_top_and_a_reload_forgets_nothing(visitor: Visit, paced: PacedProgram) -> None:
    make(paced, "a fresh one")
    shows(visitor, ["a fresh one", "a blue cat", "a dog", "a red cat"])
    visitor.page.click(cell("a dog"))
    visitor.page.keyboard.press("r")
    visitor.page.wait_for_function("document.querySelector('#txt2img_prompt textarea').value === 'a dog'")
    assert visitor.number("seed") == "6"


def test_a_folder_of_pictures_from_elsewhere_is_taken_in(visitor: Visit, tmp_path: Path) -> None:
    folder = tmp_path / "webui" / "outputs"
    folder.mkdir(parents=True)
    for number in range(3):
        text = f"old {number}\nSteps: 20, Sampler: Euler a, Seed: {number}, Size: 8x8, Model: old"
        pixels = numpy.full((8, 8, 3), number * 80, numpy.uint8)
        (folder / f"{number}.png").write_bytes(encode(pixels, "png", text)[0])
    page = visitor.page
    page.click("#history_open_folders")
    page.fill("#history_folder_path", "outputs")
    page.click("#history_folders >> text=Add")
    page.wait_for_selector("#history_folders >> text=not a full path")
    page.fill("#history_folder_path", str(folder))
    page.keyboard.press("Enter")
    page.wait_for_selector("#history_folders >> text=Read · 3 new")
    page.keyboard.press("Escape")
    page.select_option("#history_folder", label="webui/outputs")
    page.wait_for_function("document.querySelectorAll('.cell').length === 3")
    page.select_option("#history_model", "old")
    page.fill("#history_words", "old 2")
    shows(visitor, ["old 2"])
    page.click("#history_open_folders")
    page.click("#history_folders .folder .icon-close")
    page.wait_for_selector("#history_folders .folder", state="detached")
    page.keyboard.press("Escape")
    assert len(list(folder.iterdir())) == 3


def test_ten_thousand_pictures_scroll_with_only_a_window_of_them_on_the_page(
    visitor: Visit, paced: PacedProgram
) -> None:
    record = paced.studio.pictures(limit=1)[0]
    columns = "job, position, path, width, height, seed, prompt, negative_prompt, model, infotext, created"
    rows = [("j", 0, str(record.path), 64, 64, n, f"number {n}", "", "m", "", float(n)) for n in range(MANY)]
    insert = f"INSERT INTO pictures ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    paced.studio._database.write(lambda database: database.executemany(insert, rows))
    page = visitor.page
    page.evaluate("import('/static/library.js').then(({ library }) => library.refresh())")
    page.wait_for_function("document.querySelector('.history-count').textContent === '10,003 pictures'")
    page.wait_for_selector(cell("number 9999"))
    most_cells = page.evaluate(
        """async () => {
            const grid = document.querySelector(".grid");
            const most = [];
            for (let i = 1; i <= 30; i += 1) {
                grid.scrollTop = (grid.scrollHeight - grid.clientHeight) * i / 30;
                await new Promise(requestAnimationFrame);
                most.push(document.querySelectorAll(".cell").length);
            }
            return Math.max(...most);
        }"""
    )
    assert most_cells < 120
    page.wait_for_selector(cell("number 0"))
    page.focus(".grid")
    page.keyboard.press("Home")
    page.wait_for_selector(cell("number 9999") + " img[src]")
    assert visitor.complaints == []
