"""A picture's text, both ways: what A1111 wrote is understood, and what we write comes back whole."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.core.infotext import read, split, write
from modules.core.params import EXTENSION_PARAMS, Param
from modules.core.pictures import Facts
from modules.core.request import PARAMS, GenerationRequest
from modules.core.sections.seed import NOISE_SOURCES

SCHEDULES = ("Automatic", "Karras", "Exponential", "SGM Uniform")

A1111 = """a (castle:1.2), <lora:stone:0.8>
under the moon: night
Negative prompt: blurry, "bad"
fog
Steps: 25, Sampler: Euler a, Schedule type: Automatic, CFG scale: 6.5, Seed: 123456, Size: 512x768, \
Model hash: 0123456789, Model: castle-v2, VAE hash: abcdef0123, VAE: sharp.vae.pt, Clip skip: 2, ENSD: 31337, \
Lora hashes: "stone: aabbccddeeff, sand: 112233445566", Version: v1.10.1"""


class TestReading:
    def test_a_text_by_a1111_gives_every_setting_we_have(self) -> None:
        pasted = read(A1111, SCHEDULES)
        said = {name: value for name, value in pasted.values.items() if value != PARAMS[name].default}
        assert said == {
            "prompt": "a (castle:1.2), <lora:stone:0.8>\nunder the moon: night",
            "negative_prompt": 'blurry, "bad"\nfog',
            "steps": 25,
            "sampler": "Euler a",
            "cfg_scale": 6.5,
            "seed": 123456,
            "height": 768,
            "clip_skip": 2,
            "noise_source": "GPU",
            "eta_noise_seed_delta": 31337,
        }
        assert (pasted.values["schedule"], pasted.values["width"]) == ("Automatic", 512)
        assert pasted.model == ("castle-v2", "0123456789")
        assert pasted.vae == ("sharp.vae.pt", "abcdef0123")

    def test_what_means_nothing_here_is_kept_to_be_told(self) -> None:
        pasted = read(A1111 + ', Warmth: 3, ADetailer model: "a, b"', SCHEDULES)
        assert pasted.unknown == {"Warmth": "3", "ADetailer model": "a, b"}
        assert pasted.told == {"Lora hashes": "stone: aabbccddeeff, sand: 112233445566", "Version": "v1.10.1"}

    def test_a_quoted_value_may_hold_commas_colons_and_line_ends(self) -> None:
        _, _, entries = split('x\nSteps: 1, Note: "a, b: \\"c\\"\\nd", Seed: 2')
        assert entries == {"Steps": "1", "Note": 'a, b: "c"\nd', "Seed": "2"}

    def test_a_quoted_value_that_is_not_json_is_kept_as_it_stands(self) -> None:
        assert split('x\nSteps: 1, Note: "a\\q", Seed: 2')[2]["Note"] == '"a\\q"'

    def test_half_of_a_character_pair_never_comes_out_of_an_escape(self) -> None:
        assert split('x\nSteps: 1, Note: "\\ud800", Seed: 2')[2]["Note"] == '"\\ud800"'

    @pytest.mark.parametrize("line", ["Steps: 20, Seed: 5", "a cat, style: old, mood: calm", "just words", ""])
    def test_a_last_line_of_fewer_than_three_entries_is_prompt(self, line: str) -> None:
        text = f"first\n{line}".strip()
        pasted = read(text, SCHEDULES)
        assert pasted.values == {"prompt": text, "negative_prompt": ""}
        assert pasted.unknown == {}

    def test_three_entries_make_a_line_of_settings(self) -> None:
        assert read("a cat\nSteps: 3, Seed: 5, Size: 64x64").values["steps"] == 3

    def test_settings_without_any_prompt_are_read(self) -> None:
        values = read("Steps: 3, Seed: 5, Size: 64x64").values
        assert (values["prompt"], values["steps"]) == ("", 3)

    def test_a_negative_prompt_alone_is_read(self) -> None:
        values = read("Negative prompt: fog\nSteps: 3, Seed: 5, Size: 64x64").values
        assert (values["prompt"], values["negative_prompt"]) == ("", "fog")

    @pytest.mark.parametrize(
        ("old", "sampler", "schedule"),
        [
            ("DPM++ 2M Karras", "DPM++ 2M", "Karras"),
            ("DPM++ 2M SDE Exponential", "DPM++ 2M SDE", "Exponential"),
            ("Euler a", "Euler a", None),
        ],
    )
    def test_a_schedule_in_an_old_samplers_name_is_taken_apart(self, old: str, sampler: str, schedule: str) -> None:
        values = read(f"x\nSteps: 20, Sampler: {old}, CFG scale: 7, Seed: 1", SCHEDULES).values
        assert (values["sampler"], values.get("schedule")) == (sampler, schedule)

    def test_a_samplers_name_is_whole_where_the_schedule_is_written(self) -> None:
        values = read("x\nSteps: 20, Sampler: Comet Karras, Schedule type: Exponential, Seed: 1", SCHEDULES).values
        assert (values["sampler"], values["schedule"]) == ("Comet Karras", "Exponential")

    def test_no_word_about_the_noise_source_means_the_graphics_card_as_in_a1111(self) -> None:
        assert read("x\nSteps: 20, Seed: 1, Size: 64x64").values["noise_source"] == "GPU"
        assert read("x\nSteps: 20, Seed: 1, Size: 64x64, RNG: CPU").values["noise_source"] == "CPU"

    def test_no_word_about_clip_skip_means_one(self) -> None:
        assert read("x\nSteps: 20, Seed: 1, Size: 64x64").values["clip_skip"] == 1

    def test_values_that_no_request_takes_are_told_and_the_others_used(self) -> None:
        pasted = read("x\nSteps: 0, Seed: 1, CFG scale: much, Size: 511x64")
        assert pasted.values["seed"] == 1
        assert pasted.values["height"] == 64
        assert not {"steps", "cfg_scale", "width"} & set(pasted.values)
        assert pasted.unknown == {"Steps": "0", "CFG scale": "much", "Size": "511"}
        assert pasted.reasons["Steps"] == "Steps is 0, but must be at least 1."


class TestWriting:
    def test_the_entries_stand_in_a1111s_order(self) -> None:
        request = GenerationRequest(
            prompt="a cat",
            negative_prompt="fog",
            steps=8,
            sampler="Euler a",
            cfg_scale=5.5,
            clip_skip=2,
            noise_source="CPU",
        )
        facts = Facts(seed=9, model="m.safetensors", model_hash="0123456789", vae="v.safetensors", vae_hash="ab")
        first, second, line = write(request, facts).split("\n")
        assert (first, second) == ("a cat", "Negative prompt: fog")
        assert line.startswith(
            "Steps: 8, Sampler: Euler a, Schedule type: Automatic, CFG scale: 5.5, Seed: 9, Size: 512x512, "
            "Model hash: 0123456789, Model: m.safetensors, VAE hash: ab, VAE: v.safetensors, Clip skip: 2, RNG: CPU, "
            "Version: "
        )

    def test_what_is_usual_is_left_out(self) -> None:
        text = write(GenerationRequest(prompt="a cat", noise_source="GPU"), Facts(seed=1))
        for absent in ("Negative prompt", "Clip skip", "RNG", "Model", "VAE"):
            assert absent not in text

    def test_notes_follow_the_parameters_and_are_quoted_where_they_must_be(self) -> None:
        facts = Facts(seed=1, notes={"Wildcard prompt": "a {red|blue}, b", "Plain": "word"})
        text = write(GenerationRequest(), facts)
        assert ', Wildcard prompt: "a {red|blue}, b", Plain: word, Version: ' in text
        assert split(text)[2]["Wildcard prompt"] == "a {red|blue}, b"

    @pytest.mark.parametrize(("value", "written"), [(7.0, "7"), (7.5, "7.5"), (1 / 3, "0.3333333333333333")])
    def test_numbers_are_as_short_as_they_can_be_without_loss(self, value: float, written: str) -> None:
        assert f"CFG scale: {written}, " in write(GenerationRequest(cfg_scale=value), Facts(seed=1))


# A prompt whose lines begin or end in white space loses it, and a line that begins with "Negative prompt:" begins the
# negative prompt: so it is in A1111's grammar.
_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_LINES = st.lists(st.text(_CHARACTERS | st.sampled_from('",:\\()[]{}<>|#-/ '), max_size=25), max_size=4)
PROMPTS = _LINES.map(lambda lines: "\n".join(line.strip() for line in "\n".join(lines).split("\n")).strip()).filter(
    lambda text: not any(line.startswith("Negative prompt:") for line in text.split("\n"))
)
NAMES = st.text(_CHARACTERS | st.sampled_from('",:\\ '), min_size=1, max_size=12).map(str.strip)
REQUESTS = st.builds(
    GenerationRequest,
    prompt=PROMPTS,
    negative_prompt=PROMPTS,
    steps=st.integers(1, 1000),
    sampler=NAMES,
    schedule=st.sampled_from(SCHEDULES),
    cfg_scale=st.floats(0, 1000),
    seed=st.integers(0, 2**32 - 2),
    width=st.integers(8, 2048).map(lambda n: n * 8),
    height=st.integers(8, 2048).map(lambda n: n * 8),
    clip_skip=st.integers(1, 12),
    noise_source=st.sampled_from(NOISE_SOURCES),
)


class TestThereAndBack:
    @given(request=REQUESTS)
    @settings(derandomize=True, deadline=None, max_examples=150)
    def test_a_request_written_and_read_is_the_same_request(self, request: GenerationRequest) -> None:
        text = write(request, Facts(seed=request.seed, model="m", model_hash="0123456789"))
        assert GenerationRequest.checked(read(text, SCHEDULES).values) == request

    @given(text=st.text(st.sampled_from('ab ,:"\\\n-/x12') | _CHARACTERS, max_size=60))
    @settings(derandomize=True, deadline=None, max_examples=150)
    def test_any_text_at_all_can_be_read(self, text: str) -> None:
        GenerationRequest.checked(read(text, SCHEDULES).values)

    @given(key=st.from_regex(r"[A-Za-z][\w \-/]{0,8}[A-Za-z0-9]", fullmatch=True), value=NAMES)
    @settings(derandomize=True, deadline=None, max_examples=100)
    def test_a_note_written_and_read_is_the_same_note(self, key: str, value: str) -> None:
        text = write(GenerationRequest(seed=1), Facts(seed=1, notes={key: value}))
        assert value == key or split(text)[2][key] == value


@pytest.fixture
def vignette():
    EXTENSION_PARAMS.add(Param("vignette", 0.0, "Vignette", type=float, ge=0, le=1, written="changed"))
    EXTENSION_PARAMS.add(Param("framed", True, "Framed", type=bool))
    yield
    EXTENSION_PARAMS.remove("vignette")
    EXTENSION_PARAMS.remove("framed")


@pytest.mark.usefixtures("vignette")
class TestParametersOfExtensions:
    @pytest.mark.parametrize("extra", [{"vignette": 0.25, "framed": False}, {"vignette": 0.0, "framed": True}])
    def test_they_are_written_and_read_like_our_own(self, extra: dict) -> None:
        request = GenerationRequest(prompt="a cat", seed=4, extra=extra)
        text = write(request, Facts(seed=4))
        assert ("Vignette: 0.25" in text) == bool(extra["vignette"])
        assert read(text).values["extra"] == extra

    def test_a_value_out_of_bounds_is_told(self) -> None:
        assert read("x\nSteps: 2, Seed: 1, Size: 64x64, Vignette: 7").unknown == {"Vignette": "7"}


HOSTILE = {
    "one long word": "a" * 100_000,
    "one long run of spaces and dashes": "x\n" + " -" * 50_000,
    "words without colons": "x\n" + "aa " * 33_000,
    "commas": "x\n" + "a," * 50_000,
    "open quotes": "x\n" + 'aa:"' * 25_000,
    "open quotes and commas": "x\n" + 'aa:"b,' * 16_000,
    "escapes": 'x\naa: "' + "\\" * 99_999,
    "tabs": "x\n" + " a\t" * 33_000,
    "colons": ":" * 100_000,
    "lines": "\n" * 100_000,
    "entries": "x\n" + "Steps: 1, " * 10_000,
    "spaces after a colon": "x\naa:" + " " * 100_000 + "b, ",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_of_100_000_characters_is_read_at_once(text: str) -> None:
    began = time.process_time()
    read(text, SCHEDULES)
    assert time.process_time() - began < 2
