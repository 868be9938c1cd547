"""A person makes pictures: progress, preview, stopping, queueing, reloading. At the test's own pace."""

from __future__ import annotations

from .conftest import PacedProgram, Visit

GENERATE = "#txt2img_generate"


def start(visit: Visit, program: PacedProgram, hold_at: int, prompt: str = "a lighthouse") -> None:
    """Presses Generate with Ctrl+Enter and waits until the engine holds still."""
    program.engine.hold_at = hold_at
    visit.page.fill("#txt2img_prompt textarea", prompt)
    visit.page.press("#txt2img_prompt textarea", "Control+Enter")
    visit.page.wait_for_function("document.querySelector('easel-stage.working .preview[src^=\"data:\"]')")


def test_while_it_works_the_page_shows_step_percent_and_preview(visit, paced: PacedProgram) -> None:
    person = visit(paced.address)
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
    person.wait_for_picture()
    assert page.locator(".film .thumb img").count() == 2
    assert "Steps: 4, Sampler: " in page.inner_text("#html_info_txt2img")
    assert person.complaints == [] and person.outside == []


PLACES = """() => [".frame", ".film", ".progress", ".story", "#txt2img_generate"].map((selector) => {
    const box = document.querySelector(selector).getBoundingClientRect();
    return [box.x, box.y, box.width, box.height].map(Math.round);
})"""


def test_nothing_moves_when_preview_and_picture_arrive(visit, paced: PacedProgram) -> None:
    person = visit(paced.address)
    person.set_number("width", "128")
    paced.engine.may_go.clear()
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
    person.page.wait_for_selector(".story-settings")
    assert person.page.evaluate(PLACES) == before


def test_reloading_in_the_middle_loses_nothing(visit, paced: PacedProgram) -> None:
    person = visit(paced.address)
    person.set_number("steps", "8")
    start(person, paced, hold_at=6, prompt="a boat")
    person.open()
    person.page.wait_for_function("document.querySelector('easel-stage.working .preview[src^=\"data:\"]')")
    assert person.page.title() == "75% · Easel"
    assert person.page.input_value("#txt2img_prompt textarea") == "a boat"
    assert person.number("steps") == "8"
    paced.engine.go_on()
    person.wait_for_picture()


def test_a_second_device_sees_the_same_job(visit, paced: PacedProgram) -> None:
    person, other = visit(paced.address), visit(paced.address, width=390, height=844)
    start(person, paced, hold_at=2, prompt="a shared boat")
    other.page.wait_for_function("document.title === '50% · Easel'")
    assert other.page.inner_text(".job-running .job-prompt") == "a shared boat"
    paced.engine.go_on()
    other.wait_for_picture()


def test_generate_queues_another_while_one_runs_and_waiting_ones_can_be_cancelled(visit, paced: PacedProgram) -> None:
    person = visit(paced.address)
    page = person.page
    start(person, paced, hold_at=1, prompt="first")
    page.fill("#txt2img_prompt textarea", "second")
    page.click(GENERATE)
    page.wait_for_selector(".job-waiting")
    page.fill("#txt2img_prompt textarea", "third")
    page.click(GENERATE)
    page.wait_for_function("document.querySelector('#txt2img_generate').dataset.note === '2 waiting'")
    assert page.locator(".job-waiting .job-prompt").all_inner_texts() == ["second", "third"]
    page.click(".job-waiting >> nth=0 >> [aria-label=Cancel]")
    page.wait_for_function("document.querySelectorAll('.job-waiting').length === 1")
    paced.engine.go_on()
    page.wait_for_function("!document.querySelector('.job')")
    assert paced.engine.made[-2:] == ["first", "third"]


def test_esc_interrupts_and_keeps_what_is_done(visit, paced: PacedProgram) -> None:
    person = visit(paced.address)
    person.set_number("batch_count", "3")
    start(person, paced, hold_at=5)
    person.page.keyboard.press("Escape")
    person.page.wait_for_function("document.querySelector('.doing').textContent.startsWith('Stopped')")
    person.wait_for_picture()
    assert person.page.locator(".film .thumb").count() == 1


def test_esc_closes_a_list_before_it_interrupts(visit, paced: PacedProgram) -> None:
    person = visit(paced.address)
    start(person, paced, hold_at=1)
    person.page.click("#txt2img_sampling input")
    person.page.wait_for_selector("ul.options")
    person.page.keyboard.press("Escape")
    assert paced.studio.jobs()[0].state == "running"


def test_skip_leaves_out_one_batch_only(visit, paced: PacedProgram) -> None:
    person = visit(paced.address)
    person.set_number("batch_count", "2")
    start(person, paced, hold_at=1)
    person.page.click("#txt2img_skip")
    paced.engine.hold_at = None
    person.page.wait_for_timeout(200)
    paced.engine.go_on()
    person.page.wait_for_function("document.title === 'Easel'")
    assert len(paced.studio.jobs()[0].pictures) == 1


def test_a_failing_job_is_one_sentence_and_the_next_works(visit, paced: PacedProgram) -> None:
    person = visit(paced.address)
    page = person.page
    page.fill("#txt2img_prompt textarea", "nan")
    page.click(GENERATE)
    assert person.message() == "The picture came out as NaN. Use another VAE."
    assert page.input_value("#txt2img_prompt textarea") == "nan"
    page.click(".job-failed [aria-label=Dismiss]")
    page.wait_for_function("!document.querySelector('.job-failed')")
    page.fill("#txt2img_prompt textarea", "a boat again")
    page.click(GENERATE)
    person.wait_for_picture()
    assert page.locator("#txt2img_message strong").count() == 0


def test_a_server_that_was_away_comes_back_and_the_page_goes_on_by_itself(visit, paced: PacedProgram) -> None:
    person = visit(paced.address)
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
