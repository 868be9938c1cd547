"""What a person types is checked, kept and never overwritten; small buttons and presets set the widgets."""

from __future__ import annotations

from tests import flow_models as made
from tests.catalog.test_detect import write_header
from tests.jobs.painting import until

from .conftest import PacedProgram, Visit

PROMPT = "#txt2img_prompt textarea"
GENERATE = "#txt2img_generate"


def test_typed_values_survive_a_reload_and_defaults_fill_the_rest(person: Visit, paced: PacedProgram) -> None:
    assert (person.number("width"), person.number("steps")) == ("64", "4")  # what the toy's file recommends
    person.page.fill(PROMPT, "kept, 猫 😀")
    person.set_number("cfg_scale", "3.5")
    person.page.click("#txt2img_sampling input")
    person.page.click(".option-list .item:has-text('Euler a')")
    person.page.wait_for_function("JSON.parse(localStorage['easel.txt2img']).values.sampler === 'Euler a'")
    person.open()
    assert person.page.input_value(PROMPT) == "kept, 猫 😀"
    assert person.number("cfg_scale") == "3.5"
    assert person.page.input_value("#txt2img_sampling input") == "Euler a"
    assert person.number("steps") == "4"


def test_new_defaults_come_in_only_where_nobody_chose(person: Visit, paced: PacedProgram) -> None:
    person.set_number("width", "128")
    person.page.evaluate("document.querySelector('#txt2img_fill').click()")
    person.page.wait_for_timeout(500)
    assert (person.number("width"), person.number("height")) == ("128", "64")


def test_what_only_some_checkpoints_heed_is_shown_with_these(person: Visit, paced: PacedProgram) -> None:
    page, place = person.page, paced.studio.folders.checkpoints[0]
    files = [made.write_tokenizer(place), write_header(place / "flux.safetensors", made.all_in_one(made.FLUX, "t5xxl"))]
    paced.studio.refresh()
    choose = """async () => {
        const { apply, form } = await import("/static/values.js");
        if (!form("txt2img").choices.checkpoint.includes("flux")) return false;
        apply("txt2img", { checkpoint: "flux" });
        return true;
    }"""
    until(lambda: page.evaluate(choose))
    page.wait_for_selector("#txt2img_distilled_cfg_scale", state="visible")
    assert "not-heeded" not in page.get_attribute("#txt2img_flow_shift", "class")
    for file in files:
        file.unlink()
    paced.studio.refresh()
    page.wait_for_function("document.querySelector('#txt2img_checkpoint input').value === 'toy'")
    page.wait_for_selector("#txt2img_distilled_cfg_scale", state="hidden")
    assert person.complaints == []


WRONG_NUMBERS = (
    ("steps", "0", "Steps is 0, but must be at least 1."),
    ("steps", "", "Steps is empty or not a number."),
    ("width", "100", "Width is 100, but must be a multiple of 8: try 96 or 104."),
    ("seed", "-5", "Seed is -5, but must be at least -1."),
)


def test_a_wrong_number_is_answered_with_a_sentence_and_stays(person: Visit, paced: PacedProgram) -> None:
    jobs = len(paced.studio.jobs())
    for name, value, sentence in WRONG_NUMBERS:
        before = person.number(name)
        person.set_number(name, value)
        person.page.click(GENERATE)
        person.page.wait_for_function(
            "start => document.querySelector('#txt2img_message').textContent.startsWith(start)", arg=sentence
        )
        assert person.number(name) == value
        person.set_number(name, before)
    assert person.page.get_attribute("#txt2img_message", "role") == "alert"
    assert len(paced.studio.jobs()) == jobs


def put(person: Visit, text: str) -> None:
    """Puts a text into the prompt box as a script would, so that it may be one that no keyboard makes."""
    person.page.evaluate(
        f"""text => {{
            const box = document.querySelector("{PROMPT}");
            box.value = text.replaceAll("LONE", String.fromCharCode(0xd83d));
            box.dispatchEvent(new Event("input", {{ bubbles: true }}));
        }}""",
        text,
    )


def test_half_of_a_letter_is_refused_and_nothing_breaks(person: Visit, paced: PacedProgram) -> None:
    put(person, "half a LONE smile")
    person.page.click(GENERATE)
    assert person.message().startswith("Prompt: character 8 (U+D83D) is not text")
    put(person, "a whole 😀 smile")
    person.page.click(GENERATE)
    person.page.wait_for_function("document.querySelector('.story-prompt')?.textContent === 'a whole 😀 smile'")
    assert person.complaints == []


def test_a_hundred_thousand_letters_are_refused_with_their_number(person: Visit, paced: PacedProgram) -> None:
    put(person, "x" * 100_000)
    person.page.click(GENERATE)
    assert person.message().startswith("Prompt has 100,000 characters")


def test_html_in_a_prompt_is_shown_as_text_everywhere(person: Visit, paced: PacedProgram) -> None:
    text = "<img src=x onerror=\"document.title='broken into'\"><b>cat</b>"
    person.page.fill(PROMPT, text)
    paced.engine.hold_at = 1
    person.page.click(GENERATE)
    person.page.wait_for_selector(".job-running")
    assert person.page.inner_text(".job-prompt") == text
    paced.engine.go_on()
    person.page.wait_for_selector(".story-prompt")
    assert person.page.inner_text(".story-prompt") == text
    assert person.page.locator("#txt2img_results b").count() == 0
    assert person.page.title() == "Easel"


def test_text_from_right_to_left_stands_at_the_right(person: Visit, paced: PacedProgram) -> None:
    person.page.fill(PROMPT, "قطة حمراء")
    assert person.page.evaluate(f"getComputedStyle(document.querySelector('{PROMPT}')).direction") == "rtl"


def test_tokens_are_counted_while_one_types(person: Visit, paced: PacedProgram) -> None:
    person.page.fill(PROMPT, "a red cat")
    person.page.wait_for_function("document.querySelector('#txt2img_token_counter').textContent === '3/75'")
    person.page.fill("#txt2img_neg_prompt textarea", "blurry " * 80)
    person.page.wait_for_function("document.querySelector('#txt2img_negative_token_counter').textContent === '80/150'")
    person.page.fill(PROMPT, "[cat:a large red dog:3] AND (cat")
    person.page.wait_for_function("document.querySelector('#txt2img_token_counter').textContent === '4/75'")
    assert "never closed" in person.page.inner_text("#txt2img_prompt .remarks")


def test_styles_are_kept_chosen_and_written_into_the_prompt(person: Visit, paced: PacedProgram) -> None:
    page, row = person.page, "#txt2img_styles_row"
    page.fill(PROMPT, "{prompt}, ink")
    page.wait_for_function("JSON.parse(localStorage['easel.txt2img']).values.prompt === '{prompt}, ink'")
    page.click(f"{row} >> text=Save as style")
    page.fill(f"{row} .style-name", "drawing")
    page.press(f"{row} .style-name", "Enter")
    page.wait_for_function(f"document.querySelector('{row} select option[value=drawing]')")
    page.fill(PROMPT, "a cat")
    page.select_option(f"{row} select", "drawing")
    page.wait_for_function(f"document.querySelector('{row} .style-chips .chip')")
    page.click(GENERATE)
    page.wait_for_function("document.querySelector('.story-prompt')?.textContent === 'a cat, ink'")
    assert page.input_value(PROMPT) == "a cat"
    page.click(f"{row} >> text=Apply")
    page.wait_for_function(f"document.querySelector('{PROMPT}').value === 'a cat, ink'")
    page.wait_for_function(f"!document.querySelector('{row} .style-chips .chip')")


def test_presets_and_small_buttons_set_the_widgets(person: Visit, paced: PacedProgram) -> None:
    page = person.page
    page.click(".chip:has-text('16:9')")
    page.wait_for_function("document.querySelector('#txt2img_width input[type=number]').value === '88'")
    assert person.number("height") == "64"
    page.click("#txt2img_res_switch_btn")
    page.wait_for_function("document.querySelector('#txt2img_width input[type=number]').value === '64'")
    assert person.number("height") == "88"

    page.fill(PROMPT, "recycled")
    page.click(GENERATE)
    page.wait_for_function("document.querySelector('.story-prompt')?.textContent === 'recycled'")
    seed = str(paced.studio.pictures(limit=1)[0].seed)
    page.click("#txt2img_reuse_seed")
    page.wait_for_function(f"document.querySelector('#txt2img_seed input').value === '{seed}'")
    page.click("#txt2img_random_seed")
    page.wait_for_function("document.querySelector('#txt2img_seed input').value === '-1'")


def test_settings_of_a_picture_are_reused_and_what_is_missing_is_said(person: Visit, paced: PacedProgram) -> None:
    page = person.page
    page.fill(PROMPT, "reused")
    person.set_number("steps", "7")
    page.click(GENERATE)
    page.wait_for_function("document.querySelector('.story-prompt')?.textContent === 'reused'")
    page.fill(PROMPT, "something else")
    person.set_number("steps", "9")
    page.click("text=Reuse settings")
    page.wait_for_function("document.querySelector('#txt2img_steps input[type=number]').value === '7'")
    assert page.input_value(PROMPT) == "reused"
    assert person.number("seed") == str(paced.studio.pictures(limit=1)[0].seed)

    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData("text/plain", "a fox\\nSteps: 5, Sampler: Nobody knows, CFG scale: 2, Seed: 1, Size: 64x64");
            const pasted = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
            document.querySelector("#txt2img_prompt textarea").dispatchEvent(pasted);
        }"""
    )
    page.wait_for_function("document.querySelector('#txt2img_prompt textarea').value === 'a fox'")
    assert "Nobody knows" in person.message()
    assert person.number("steps") == "5"


def test_ctrl_and_arrows_change_the_weight_of_a_word(person: Visit, paced: PacedProgram) -> None:
    person.page.fill(PROMPT, "a red cat")
    person.page.evaluate(f"document.querySelector('{PROMPT}').setSelectionRange(3, 3)")
    for expected in ("a (red:1.1) cat", "a (red:1.2) cat"):
        person.page.press(PROMPT, "Control+ArrowUp")
        assert person.page.input_value(PROMPT) == expected
    for expected in ("a (red:1.1) cat", "a red cat", "a (red:0.9) cat"):
        person.page.press(PROMPT, "Control+ArrowDown")
        assert person.page.input_value(PROMPT) == expected


def test_a_new_model_file_is_offered_after_pressing_refresh(person: Visit, paced: PacedProgram) -> None:
    models = paced.studio.folders.checkpoints[0]
    (models / "second.safetensors").write_bytes((models / "toy.safetensors").read_bytes())
    try:
        person.page.click("#txt2img_refresh_models")
        person.page.click("#txt2img_checkpoint input")
        person.page.wait_for_selector(".option-list .item:has-text('second')")
        person.page.click(".option-list .item:has-text('second')")
        until(lambda: paced.engine.loaded == "second")
        person.page.wait_for_function("document.querySelector('.engine-words').textContent === 'second'")
    finally:
        paced.studio.load("toy")
        until(lambda: paced.engine.loaded == "toy")
        (models / "second.safetensors").unlink()
        paced.studio.refresh()
