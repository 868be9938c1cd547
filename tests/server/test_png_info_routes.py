"""What a picture says, over HTTP."""

from __future__ import annotations

import io

import numpy
import pytest
from PIL import Image

from modules.imaging.save import encode
from tests.jobs.painting import finished

TEXT = "a cat\nNegative prompt: fog\nSteps: 2, Sampler: Euler, Seed: 3, Size: 64x64, Warmth: 3, Version: v1.10.1"
PIXELS = numpy.random.default_rng(5).integers(0, 256, (64, 64, 3), numpy.uint8)


@pytest.mark.parametrize("format", ["png", "jpg", "webp", "avif", "gif"])
def test_settings_are_told_apart_and_problems_said(web, format) -> None:
    told = web.post("/api/png-info", content=encode(PIXELS, format, TEXT)[0]).json()
    assert (told["prompt"], told["negative_prompt"], told["text"]) == ("a cat", "fog", TEXT)
    assert told["entries"][0] == {"key": "Steps", "value": "2"}
    assert told["problems"] == ["Warmth: 3 could not be taken over."]
    assert (told["program"], told["width"], told["others"]) == ("A1111 v1.10.1", 64, [])


def test_pictures_are_named_by_id_too(web, studio) -> None:
    job = finished(studio, studio.submit({"prompt": "a boat", "steps": 1, "width": 64, "height": 64}).id)
    stored = web.post("/api/inputs", json={"picture": job.pictures[0]}).json()
    for named in ({"picture": job.pictures[0]}, {"input": stored["id"]}):
        assert web.post("/api/png-info", json=named).json()["prompt"] == "a boat"
        assert web.post("/api/png-info/stripped", json=named).headers["content-type"] == "image/png"
    answer = web.post(
        "/api/difference", json={"first": {"picture": job.pictures[0]}, "second": {"input": stored["id"]}}
    )
    assert answer.json() == {"mean": 0.0, "largest": 0, "equal": 1.0}


def test_a_picture_without_settings_says_nothing(web) -> None:
    told = web.post("/api/png-info", content=encode(PIXELS, "png")[0]).json()
    assert (told["text"], told["entries"], told["problems"]) == ("", [], [])


def test_the_file_without_what_it_says_has_the_same_pixels(web) -> None:
    answer = web.post("/api/png-info/stripped", content=encode(PIXELS, "png", TEXT)[0])
    assert b"fog" not in answer.content
    assert numpy.array_equal(numpy.array(Image.open(io.BytesIO(answer.content))), PIXELS)
    assert "picture.png" in answer.headers["content-disposition"]


def test_a_text_is_painted_once_more(web, studio) -> None:
    answer = web.post("/api/reproduce", json={"text": TEXT}).json()
    assert answer["tab"] == "txt2img" and any("RNG GPU" in one for one in answer["differences"])
    assert finished(studio, answer["job"]).request.seed == 3


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/png-info", b"<html>", 422),
        ("/api/png-info", b"", 422),
        ("/api/png-info/stripped", b"junk", 422),
        ("/api/reproduce", {"text": "no settings"}, 422),
        ("/api/reproduce", {"text": 5}, 422),
        ("/api/reproduce", {"picture": "x"}, 422),
        ("/api/reproduce", {"picture": 99}, 404),
        ("/api/png-info", {"picture": 10**30}, 404),
        ("/api/png-info", {"input": "../x"}, 404),
        ("/api/difference", {"first": {"picture": 1}}, 404),
        ("/api/difference", {}, 422),
    ],
)
def test_what_cannot_be_done_is_answered_with_a_sentence(web, path, body, status) -> None:
    answer = web.post(path, content=body) if isinstance(body, bytes) else web.post(path, json=body)
    assert answer.status_code == status
    assert answer.json()["message"]
