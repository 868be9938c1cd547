"""What a request accepts, and the sentence for each thing that it does not."""

from __future__ import annotations

import pickle

import pytest
from pydantic import ValidationError

from modules.core.errors import UserError
from modules.core.params import EXTENSION_PARAMS, Param
from modules.core.request import PARAMS, GenerationRequest

NAN, INFINITE = float("nan"), float("inf")
HUGE = 10**5000  # more digits than Python is willing to write out

REFUSED = [
    ({"steps": 0}, "Steps is 0, but must be at least 1."),
    ({"steps": 1001}, "Steps is 1001, but must be at most 1000."),
    ({"steps": NAN}, "Steps is 'nan': input should be a finite number."),
    ({"steps": 2.5}, "Steps is '2.5': input should be a valid integer, got a number with a fractional part."),
    ({"steps": "many"}, "Steps is 'many': input should be a valid integer, unable to parse string as an integer."),
    ({"steps": [20]}, "Steps is '[20]': input should be a valid integer."),
    ({"steps": None}, "Steps is 'None': input should be a valid integer."),
    ({"steps": HUGE}, "Steps is a number of about 4983 digits, but must be at most 1000."),
    ({"cfg_scale": INFINITE}, "CFG scale is 'inf': input should be a finite number."),
    ({"cfg_scale": "nan"}, "CFG scale is 'nan': input should be a finite number."),
    ({"cfg_scale": -1}, "CFG scale is -1, but must be at least 0."),
    ({"cfg_scale": HUGE}, "CFG scale is 'a number of about 4983 digits': input should be a valid number."),
    ({"width": 513}, "Width is 513, but must be a multiple of 8: try 512 or 520."),
    ({"width": "513.0"}, "Width is 513.0, but must be a multiple of 8: try 512 or 520."),
    ({"width": 3}, "Width is 3, but must be a multiple of 8: try 64."),
    ({"height": 20001}, "Height is 20001, but must be a multiple of 8: try 16384."),
    ({"height": HUGE + 1}, "Height is a number of about 4983 digits, but must be a multiple of 8: try 16384."),
    ({"height": 56}, "Height is 56, but must be at least 64."),
    ({"seed": -2}, "Seed is -2, but must be at least -1."),
    ({"prompt": "a" * 100_000}, "Prompt has 100,000 characters; at most 20,000 can be used. Shorten it."),
    (
        {"prompt": "a\ud83d cat"},
        "Prompt: character 2 (U+D83D) is not text: half of a pair, or a zero byte. Delete it, or paste the text again.",
    ),
    (
        {"negative_prompt": "\0"},
        "Negative prompt: character 1 (U+0000) is not text: half of a pair, or a zero byte. "
        "Delete it, or paste the text again.",
    ),
    (
        {"sampler": "Euler\udc00"},
        "Sampler: character 6 (U+DC00) is not text: half of a pair, or a zero byte. "
        "Delete it, or paste the text again.",
    ),
    ({"prompt": 5}, "Prompt is '5': input should be a valid string."),
    ({"noise_source": "dice"}, "Noise source: 'dice' is not one of NV, CPU, GPU."),
    ({"sparkle": 1}, "There is no parameter called 'sparkle'."),
    ({"s" * 100_000: 1}, f"There is no parameter called '{'s' * 60}'."),
    ({"extra": {"sparkle": 1}}, "'sparkle' is not a parameter of any loaded extension."),
    ({"extra": 3}, "extra is '3': input should be a valid dictionary."),
    ({1: 2}, "1 is '1': keys should be strings."),
    (
        {"steps": 0, "width": 100},
        "Steps is 0, but must be at least 1. Width is 100, but must be a multiple of 8: try 96 or 104.",
    ),
]


@pytest.mark.parametrize(("values", "sentence"), REFUSED, ids=[sentence[:48] for _, sentence in REFUSED])
def test_bad_input_is_refused_with_a_sentence_that_names_it(values: dict, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        GenerationRequest.checked(values)
    assert refused.value.message == sentence


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "(((((",
        "a:1e999)",
        "<script>alert(1)</script>",
        "قطة تحت القمر",
        "👩‍🚀🌙",
        "line\nline\r\n\ttab",
        "a" * 20_000,
    ],
    ids=["empty", "unbalanced", "overflowing", "html", "right-to-left", "emoji", "lines", "longest"],
)
def test_odd_but_real_prompts_are_taken_as_they_are(prompt: str) -> None:
    assert GenerationRequest.checked({"prompt": prompt}).prompt == prompt


def test_numbers_may_come_as_text_as_forms_and_pictures_hold_them() -> None:
    request = GenerationRequest.checked({"steps": "30", "cfg_scale": "7.5", "seed": "42"})
    assert (request.steps, request.cfg_scale, request.seed) == (30, 7.5, 42)


def test_a_noise_source_is_known_in_any_spelling() -> None:
    assert GenerationRequest.checked({"noise_source": "nv"}).noise_source == "NV"


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        GenerationRequest().steps = 5


def test_a_request_round_trips_through_json_and_pickle() -> None:
    request = GenerationRequest(
        prompt='a "cat", \\ 猫\n',
        negative_prompt="🌙",
        steps=7,
        cfg_scale=1 / 3,
        seed=5,
        scripts={"grid": {"x": [1, "b"]}},
    )
    assert GenerationRequest.model_validate_json(request.model_dump_json()) == request
    assert pickle.loads(pickle.dumps(request)) == request


def test_filling_leaves_what_was_set_and_sets_what_was_not() -> None:
    request = GenerationRequest(steps=12).filled({"steps": 4, "width": 256, "height": 256})
    assert (request.steps, request.width, request.height) == (12, 256, 256)


def test_a_field_set_to_its_default_counts_as_set() -> None:
    default = PARAMS["clip_skip"].default
    assert GenerationRequest(clip_skip=default).filled({"clip_skip": 2}).clip_skip == default
    assert GenerationRequest().filled({"clip_skip": 2}).clip_skip == 2


def test_filled_values_are_checked_too() -> None:
    with pytest.raises(UserError, match="Width is 100"):
        GenerationRequest().filled({"width": 100})


def test_one_picture_of_a_job_has_a_request_of_its_own() -> None:
    job = GenerationRequest(prompt="a cat", seed=100, batch_size=4, batch_count=3)
    assert job.pictures == 12
    alone = job.for_picture(7)
    assert (alone.seed, alone.pictures, alone.prompt) == (107, 1, "a cat")


@pytest.fixture
def glow():
    declared = Param("glow", 0.5, "Glow", type=float, ge=0, le=1)
    count = Param("rings", 1, "Rings", type=int, multiple_of=2, le=8)
    on = Param("haloed", False, "Halo", type=bool)
    shape = Param("shape", "round", "Shape", type=str, choices=("round", "square"))
    added = (declared, count, on, shape)
    for one in added:
        EXTENSION_PARAMS.add(one)
    yield
    for one in added:
        EXTENSION_PARAMS.remove(one.name)


@pytest.mark.usefixtures("glow")
class TestParametersOfExtensions:
    def test_they_travel_in_extra_in_their_types(self) -> None:
        given = {"glow": "0.25", "rings": 4.0, "haloed": "False", "shape": "square"}
        extra = GenerationRequest.checked({"extra": given}).extra
        assert extra == {"glow": 0.25, "rings": 4, "haloed": False, "shape": "square"}

    @pytest.mark.parametrize(
        ("extra", "sentence"),
        [
            ({"glow": 2}, "Glow is 2, but must be at most 1."),
            ({"glow": NAN}, "Glow is 'nan': input should be a finite number."),
            ({"rings": INFINITE}, "Rings is 'inf': input should be a finite number."),
            ({"rings": 3}, "Rings is 3, but must be a multiple of 2: try 2 or 4."),
            ({"rings": 2.5}, "Rings is '2.5': input should be a valid integer, got a number with a fractional part."),
            ({"haloed": "perhaps"}, "Halo is 'perhaps': input should be a valid boolean, unable to interpret input."),
            ({"shape": "oval"}, "Shape is 'oval', but must be one of round, square."),
        ],
        ids=lambda value: value if isinstance(value, str) else None,
    )
    def test_their_bounds_are_enforced_like_those_of_our_own(self, extra: dict, sentence: str) -> None:
        with pytest.raises(UserError) as refused:
            GenerationRequest.checked({"extra": extra})
        assert refused.value.message == sentence
