"""File names: A1111's tokens, and nothing that a file system or a neighbour could suffer from."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.core.pictures import Facts, Picture
from modules.core.request import GenerationRequest
from modules.imaging.naming import LONGEST_NAME, TOKENS, expand, facts_of, next_number, sanitised

FACTS: dict[str, Any] = {
    "prompt": "a red cat, (on:1.2) a mat",
    "negative_prompt": "dogs",
    "seed": 42,
    "seed_last": 45,
    "steps": 20,
    "cfg_scale": 7.5,
    "width": 512,
    "height": 768,
    "sampler": "DPM++ 2M",
    "schedule": "Karras",
    "clip_skip": 2,
    "model": "sd/v1.5",
    "model_hash": "6ce0161689",
    "vae": "",
    "styles": ["None", "ink"],
    "batch_size": 2,
    "index": 2,
    "pictures": 4,
    "time": datetime(2026, 11, 21, 9, 5, 7),
    "job_time": datetime(2026, 11, 21, 9, 0, 0),
    "denoising_strength": 0.75,
    "basename": "scan",
    "user": "ada",
    "pixels": numpy.zeros((2, 2, 3), numpy.uint8),
}
PROMPT_HASH = hashlib.sha256(FACTS["prompt"].encode()).hexdigest()
BOTH_HASH = hashlib.sha256(f"{FACTS['prompt']} dogs".encode()).hexdigest()


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("[seed]", "42"),
        ("[seed]-[prompt_spaces]", "42-a red cat, (on_1.2) a mat"),
        ("[prompt]", "a_red_cat,_(on_1.2)_a_mat"),
        ("[prompt_words]", "a red cat on 1 2 a mat"),
        ("[steps]_[cfg]_[width]x[height]", "20_7.5_512x768"),
        ("[sampler]|[scheduler]|[sampler_scheduler]", "DPM++ 2M_Karras_DPM++ 2M Karras"),
        ("[model_name] [model_hash][vae_filename]", "sd_v1.5 6ce0161689"),
        ("[date]", "2026-11-21"),
        ("[datetime]", "20261121090507"),
        ("[datetime<%H:%M>]", "09_05"),
        ("[job_timestamp]", "20261121090000"),
        ("[prompt_hash]", PROMPT_HASH[:8]),
        ("[prompt_hash<4>]", PROMPT_HASH[:4]),
        ("[full_prompt_hash]", BOTH_HASH[:8]),
        ("[negative_prompt_hash<x>]", hashlib.sha256(b"dogs").hexdigest()[:8]),
        ("[image_hash<6>]", hashlib.sha256(bytes(12)).hexdigest()[:6]),
        ("[styles]", "ink"),
        ("[hasprompt<cat><dog|no dog>]", "catno dog"),
        ("[batch_number] [batch_size] [generation_number]", "1 2 3"),
        ("[seed_first]-[seed_last]", "42-45"),
        ("[clip_skip] [denoising] [user] [basename]", "2 0.75 ada scan"),
        ("[none]", ""),
        ("[SEED]", "42"),
        ("[unknown] [seed", "[unknown] [seed"),
        ("[datetime]_[[model_name]]_[seed]", "20261121090507_[sd_v1.5]_42"),
        ("", ""),
    ],
)
def test_tokens_expand_as_in_a1111(pattern: str, name: str) -> None:
    assert expand(pattern, FACTS) == name


def test_the_styles_and_the_prompt_without_them_are_those_that_were_asked_for() -> None:
    styled = {"styles": "ink\nwarm", "prompt": "a cat", "negative_prompt": ""}
    request = GenerationRequest(prompt="a cat, ink, warm", styled=styled)
    picture = Picture(numpy.zeros((2, 2, 3), numpy.uint8), 0, request, Facts(seed=1), "")
    assert (
        expand("[styles] [prompt_no_styles] [prompt_spaces]", facts_of(picture)) == "ink, warm a cat a cat, ink, warm"
    )


def test_meaningless_tokens_vanish_with_the_text_before_them() -> None:
    alone = {"seed": 42, "seed_last": 42, "pictures": 1, "batch_size": 1, "index": 0}
    assert expand("[seed]-[seed_last] of [generation_number], [batch_number] at [denoising]", alone) == "42"


def test_a_picture_painted_from_nothing_has_no_denoising_strength() -> None:
    facts = {"seed": 42, "denoising_strength": 0.75, "init_image": "", "enable_hr": False}
    assert expand("[seed]-[denoising]", facts) == "42"
    assert expand("[seed]-[denoising]", {**facts, "enable_hr": True}) == "42-0.75"


def test_every_token_bears_the_absence_of_every_fact() -> None:
    for token in TOKENS:
        assert isinstance(expand(f"x[{token}<1>]", {}) if token == "prompt_hash" else expand(f"x[{token}]", {}), str)


def test_a_zone_moves_the_time_and_an_unknown_one_does_not() -> None:
    import zoneinfo

    aware = {"time": datetime(2026, 11, 21, 12, tzinfo=zoneinfo.ZoneInfo("UTC"))}
    assert expand("[datetime<%H><Asia/Tokyo>]", aware) == "21"
    assert expand("[datetime<%H><Nowhere/../Else>]", aware) == "12"
    assert expand("[datetime<%H><Atlantis>]", aware) == "12"


def test_folders_come_from_the_pattern_and_never_from_a_value() -> None:
    assert expand("[date]/[model_name]/[seed]", FACTS, folders=True) == "2026-11-21/sd_v1.5/42"
    assert expand("/etc/../..//./[prompt]\\x", {"prompt": "../../up"}, folders=True) == "etc/.._.._up/x"
    assert expand("[prompt]/a", {"prompt": ".."}, folders=True) == "a"
    assert expand("con/nul.txt/COM1", {}, folders=True) == "_con/_nul.txt/_COM1"


def test_what_file_systems_refuse_becomes_an_underscore() -> None:
    assert sanitised('a#<>:"/\\|?*\n\t\0\ud800b') == "a" + "_" * 14 + "b"
    assert sanitised("  a. . ") == "a"
    assert len(sanitised("x" * 500)) == 128


@given(st.text(alphabet=st.characters(), max_size=300), st.booleans())
@settings(derandomize=True, max_examples=200, deadline=None, database=None)
def test_any_prompt_makes_a_name_that_can_be_written(prompt: str, folders: bool) -> None:
    name = expand("[seed]-[prompt_spaces]", {"seed": 1, "prompt": prompt}, folders)
    assert len(name.encode()) <= LONGEST_NAME
    assert not set(name) & set('#<>:"/\\|?*\0\n')
    assert name == name.strip(" ")


@given(st.text(alphabet="[]<>/.seedprompt|", max_size=60))
@settings(derandomize=True, max_examples=200, deadline=None, database=None)
def test_any_pattern_stays_inside_its_folder(pattern: str) -> None:
    parts = expand(pattern, FACTS, folders=True).split("/")
    assert ".." not in parts
    assert parts == [""] or all(parts)


def test_a_picture_tells_its_facts() -> None:
    request = GenerationRequest(prompt="a cat", steps=9, seed=3)
    picture = Picture(FACTS["pixels"], 0, request, Facts(seed=3, model="starter", model_hash="ab"), "")
    facts = facts_of(picture, FACTS["time"])
    assert expand("[date]/[seed]-[steps]-[model_name]-[prompt]", facts, folders=True) == "2026-11-21/3-9-starter-a_cat"


def test_the_next_number_follows_the_highest(tmp_path: Path) -> None:
    assert next_number(tmp_path / "absent") == 0
    assert next_number(tmp_path) == 0
    for name in ("00007-1.png", "00003.png", "notes.txt", "12x.png", "grid-0004.png", ".00009.part", "x-00099.png"):
        (tmp_path / name).touch()
    assert next_number(tmp_path) == 10
    assert next_number(tmp_path, "grid") == 5
