"""A person makes pictures: progress, preview, stopping, queueing, reloading. At the test's own pace."""

from __future__ import annotations

from modules.core.hooks import hook
from modules.gui.layout import Ui

from .conftest import PacedProgram, Visit

GENERATE = "#txt2img_generate"


def start(visit: Visit, program: PacedProgram, hold_at: int, prompt: str = "a lighthouse") -> None:
    """Presses Generate with Ctrl+Enter and waits until the engine holds still."""
    program.engine.hold_at = hold_at
    visit.page.fill("#txt2img_prompt textarea", prompt)
    visit.page.press("#txt2img_prompt textarea", "Control+Enter")
    visit.page.wait_for_function("document.querySelector('easel-stage.working .preview[src^=\"data:\"]')")


def test_while_it_works_the_page_shows_step_percent_and_preview(person: Visit, paced: PacedProgram) -> None:
    page = person.page
    person.set_number("batch_count", "2")
    start(person, paced, hold_at=6)
    page.wait_for_function("document.title === '75% · Easel'")
    assert page.inner_text(".doing") == "Step 2 of 4 · picture 2 of 2"
    assert page.inner_text(".left").startswith("75%")
    assert page.get_attribute("[role=progressbar]", "aria-valuenow") == "75"
    assert page.is_visible(".preview")
    assert page.locator(".film .thumb").count() == 2

    paced.engine.go_on()
    page.wait_for_function("document.title === 'Easel'")
    person.wait_for_picture_of("a lighthouse")
    assert page.locator(".film .thumb img").count() == 2
    assert "Steps: 4, Sampler: " in page.inner_text("#html_info_txt2img")
    assert person.complaints == [] and person.outside == []


PLACES = """() => [".frame", ".film", ".progress", ".story", "#txt2img_generate"].map((selector) => {
    const box = document.querySelector(selector).getBoundingClientRect();
    return [box.x, box.y, box.width, box.height].map(Math.round);
})"""


def test_nothing_moves_when_preview_and_picture_arrive(person: Visit, paced: PacedProgram) -> None:
    person.set_number("width", "128")
    paced.engine.may_go.clear()
    person.page.fill("#txt2img_prompt textarea", "a wide one")
    person.page.click(GENERATE)
    person.page.wait_for_selector("easel-stage.working")
    before = person.page.evaluate(PLACES)
    frame = before[0]
    assert abs(frame[2] / frame[3] - 2) < 0.01
    paced.engine.hold_at = 2
    paced.engine.may_go.set()
    person.page.wait_for_function("document.querySelector('.preview[src^=\"data:\"]')")
    assert person.page.evaluate(PLACES) == before
    paced.engine.go_on()
    person.page.wait_for_function("document.querySelector('.story-settings')?.textContent.includes('Size: 128x64')")
    assert person.page.evaluate(PLACES) == before


def test_reloading_in_the_middle_loses_nothing(person: Visit, paced: PacedProgram) -> None:
    person.set_number("steps", "8")
    start(person, paced, hold_at=6, prompt="a boat")
    person.open()
    person.page.wait_for_function("document.querySelector('easel-stage.working .preview[src^=\"data:\"]')")
    assert person.page.title() == "75% · Easel"
    assert person.page.input_value("#txt2img_prompt textarea") == "a boat"
    assert person.number("steps") == "8"
    paced.engine.go_on()
    person.wait_for_picture_of("a boat")


def test_a_second_device_sees_the_same_job(person: Visit, visit, paced: PacedProgram) -> None:
    other = visit(paced.address, width=390, height=844)
    start(person, paced, hold_at=2, prompt="a shared boat")
    other.page.wait_for_function("document.title === '50% · Easel'")
    assert other.page.inner_text(".job-running .job-prompt") == "a shared boat"
    paced.engine.go_on()
    other.wait_for_picture_of("a shared boat")


def test_generate_queues_another_and_waiting_ones_can_be_cancelled(person: Visit, paced: PacedProgram) -> None:
    page = person.page
    start(person, paced, hold_at=1, prompt="first")
    page.fill("#txt2img_prompt textarea", "second")
    page.click(GENERATE)
    page.wait_for_selector(".job-waiting")
    page.fill("#txt2img_prompt textarea", "third")
    page.click(GENERATE)
    page.wait_for_function("document.querySelector('#txt2img_generate').dataset.note === '2 waiting'")
    assert page.locator("#tab_txt2img .job-waiting .job-prompt").all_inner_texts() == ["second", "third"]
    page.click(".job-waiting >> nth=0 >> [aria-label=Cancel]")
    page.wait_for_function("document.querySelectorAll('#tab_txt2img .job-waiting').length === 1")
    paced.engine.go_on()
    page.wait_for_function("!document.querySelector('.job')")
    assert paced.engine.made[-2:] == ["first", "third"]


def test_esc_interrupts_and_keeps_what_is_done(person: Visit, paced: PacedProgram) -> None:
    person.set_number("batch_count", "3")
    start(person, paced, hold_at=5, prompt="stopped halfway")
    person.page.keyboard.press("Escape")
    person.page.wait_for_function("document.querySelector('.doing').textContent.startsWith('Stopped')")
    person.wait_for_picture_of("stopped halfway")
    assert person.page.locator(".film .thumb").count() == 1


def test_esc_closes_a_list_before_it_interrupts(person: Visit, paced: PacedProgram) -> None:
    start(person, paced, hold_at=1)
    person.page.click("#txt2img_sampling input")
    person.page.wait_for_selector("ul.option-list")
    person.page.keyboard.press("Escape")
    assert paced.studio.jobs()[0].state == "running"


def test_skip_leaves_out_one_batch_only(person: Visit, paced: PacedProgram) -> None:
    person.set_number("batch_count", "2")
    start(person, paced, hold_at=1)
    person.page.click("#txt2img_skip")
    paced.engine.hold_at = None
    person.page.wait_for_timeout(200)
    paced.engine.go_on()
    person.page.wait_for_function("document.title === 'Easel'")
    assert len(paced.studio.jobs()[0].pictures) == 1


def test_a_failing_job_is_one_sentence_and_the_next_works(person: Visit, paced: PacedProgram) -> None:
    page = person.page
    page.fill("#txt2img_prompt textarea", "nan")
    page.click(GENERATE)
    assert person.message() == "The picture came out as NaN. Use another VAE."
    assert page.input_value("#txt2img_prompt textarea") == "nan"
    page.click(".job-failed [aria-label=Dismiss]")
    page.wait_for_function("!document.querySelector('.job-failed')")
    page.fill("#txt2img_prompt textarea", "a boat again")
    page.click(GENERATE)
    person.wait_for_picture_of("a boat again")
    assert page.locator("#txt2img_message strong").count() == 0


def test_a_server_that_was_away_comes_back_and_the_page_goes_on_by_itself(person: Visit, paced: PacedProgram) -> None:
    page = person.page
    page.fill("#txt2img_prompt textarea", "typed before")
    paced.stop()
    try:
        page.wait_for_selector(".connection:not([hidden])")
        page.click(GENERATE)
        assert "Your settings are kept" in person.message()
    finally:
        paced.start()
    page.wait_for_selector(".connection", state="hidden", timeout=20_000)
    page.wait_for_function("document.querySelector('easel-engine').dataset.state === 'ready'")
    assert page.input_value("#txt2img_prompt textarea") == "typed before"
    page.click(GENERATE)
    page.wait_for_function("document.querySelector('.story-prompt')?.textContent === 'typed before'")


class Sparkle:
    @hook
    def building_ui(self, ui: Ui) -> None:
        ui.tab("Sparkle", lambda: None)


def test_a_page_reloads_itself_when_the_server_came_back_with_another_page(person: Visit, paced: PacedProgram) -> None:
    person.page.fill("#txt2img_prompt textarea", "typed before")
    paced.stop()
    paced.hooks.register(Sparkle(), "sparkle")
    paced.start()
    try:
        person.page.wait_for_selector("#tab_sparkle-button", timeout=30_000)
        person.ready()
        assert person.page.input_value("#txt2img_prompt textarea") == "typed before"
    finally:
        paced.hooks.unregister("sparkle")


STEP = "document.querySelector('.inside-caption strong')?.textContent"


def test_a_person_sees_inside_a_finished_picture_a_prompt_and_a_running_job(person: Visit, paced: PacedProgram) -> None:
    """Closed, the panel asks for nothing; looked into, a picture is not saved anew."""
    page, asked = person.page, []
    page.on("request", lambda request: asked.append(request.url) if "/inspections" in request.url else None)
    start(person, paced, hold_at=1, prompt="a (red:1.3) barn")
    paced.engine.go_on()
    person.wait_for_picture_of("a (red:1.3) barn")
    assert asked == []

    before = len(paced.studio.pictures())
    page.click("#txt2img_results .story-actions >> text=Inspect")
    page.click("[data-steps='every step']")
    page.wait_for_function(f"{STEP} === 'Step 4 of 4'")
    page.wait_for_function("document.querySelector('.inside-picture').naturalWidth > 0")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text(".inside-caption strong") == "Step 3 of 4"
    assert "4.87" in page.inner_text(".inside-facts")  # the noise level of the third step
    assert page.locator(".inside-channels figure >> visible=true").count() == 4
    page.click("#inspect_prompt")
    page.wait_for_selector(".token[data-weight=more]")
    assert page.inner_text(".token[data-weight=more]").split() == ["red", "736", "×1.3"]
    page.keyboard.press("Escape")
    assert len(paced.studio.pictures()) == before

    start(person, paced, hold_at=2, prompt="a boat")
    with page.expect_response("**/watch"):
        page.click("#txt2img_results .look-inside")
    page.wait_for_selector("text=Its next step will be shown here")
    paced.engine.go_on()
    page.wait_for_function(f"{STEP} === 'Step 4 of 4'")
    page.keyboard.press("Escape")
    assert person.complaints == []
