"""What was seen inside jobs is kept, found again, and goes when there is too much of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modules.core.errors import UserError
from modules.core.events import Inspected
from modules.core.request import GenerationRequest
from modules.jobs.inspections import Inspections
from modules.jobs.queue import NotFound

from .painting import PaintingEngine, insides, open_studio, until


def step(job: str, number: int, size: int = 10) -> Inspected:
    return Inspected(job, 0, number, {"sigma": 1.5}, {"picture.jpg": bytes(size)})


def test_steps_come_back_in_order_with_their_images(tmp_path: Path) -> None:
    store = Inspections(tmp_path / "inspections")
    for number in (2, 10, 1):
        store.keep(step("a1", number, number))
    assert [one["step"] for one in store.steps("a1")] == [1, 2, 10]
    assert store.steps("a1")[0] == {"picture": 0, "step": 1, "sigma": 1.5}
    assert store.image("a1", 0, 10, "picture.jpg") == bytes(10)
    assert store.steps("b2") == []


@pytest.mark.parametrize(
    "asked",
    [
        ("a1", 0, 2, "picture.jpg"),
        ("a1", 0, 1, "other.png"),
        ("a1", 0, 1, "facts.json"),
        ("a1", 0, 1, "../x.png"),
        ("..", 0, 1, "picture.jpg"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path: Path, asked: tuple) -> None:
    store = Inspections(tmp_path)
    store.keep(step("a1", 1))
    with pytest.raises(NotFound):
        store.image(*asked)


def test_the_oldest_job_goes_when_all_take_too_much(tmp_path: Path) -> None:
    store = Inspections(tmp_path, most_bytes=5000)
    for age, job in enumerate(("a1", "b2", "c3")):
        store.keep(step(job, 1, 2000))
        os.utime(tmp_path / job, (age, age))
    assert (store.steps("a1"), len(store.steps("b2")), len(store.steps("c3"))) == ([], 1, 1)
    again = Inspections(tmp_path, most_bytes=100)  # counts what is there, and never drops the job that is looked into
    again.keep(step("d4", 1, 2000))
    assert [path.name for path in tmp_path.iterdir()] == ["d4"]


def test_a_picture_is_looked_into_by_painting_it_once_more(tmp_path: Path) -> None:
    with open_studio(tmp_path) as studio:
        job = studio.submit({"prompt": "a cat", "steps": 4, "seed": 5, "width": 64, "height": 64})
        until(lambda: studio.job(job.id).over)
        (made,) = studio.pictures()
        desk = studio.inspections
        assert desk.job_of(made.id) == ("", 0)

        look, _ = desk.look(made.id, "1, 3")
        until(lambda: studio.job(look.id).dismissed)
        assert (studio.job(look.id).state, studio.job(look.id).request.seed) == ("finished", 5)
        assert [one.id for one in studio.pictures()] == [made.id]  # nothing new is saved
        assert [one["step"] for one in desk.seen(look.id)[1]] == [1, 3]
        assert desk.store.image(look.id, 0, 3, "picture.jpg") == insides(3, 4)[1]["picture.jpg"]
        assert desk.job_of(made.id) == (look.id, 0)

        own = studio.submit({"prompt": "a dog", "steps": 2, "inspect": "every step", "width": 64, "height": 64})
        until(lambda: studio.job(own.id).over)
        assert desk.job_of(studio.pictures()[0].id) == (own.id, 0)
        with pytest.raises(NotFound):
            desk.look(99)
        with pytest.raises(UserError, match="no picture to start from"):
            studio.submit({"vae_round_trip": True})


def test_a_running_job_is_watched_and_news_of_its_steps_come(tmp_path: Path) -> None:
    engine = PaintingEngine()
    engine.may_go.clear()
    with open_studio(tmp_path, engine) as studio, studio.watch() as watcher:
        job = studio.submit({"prompt": "a cat", "steps": 3, "width": 64, "height": 64})
        until(lambda: studio.job(job.id).state == "running")
        studio.inspections.watch(job.id)
        engine.may_go.set()
        until(lambda: studio.job(job.id).over)
        told = [one.data["facts"]["step"] for one in watcher.take() if one.kind == "inspected"]
        assert told == [1, 2, 3]
        assert len(studio.pictures()) == 1


def test_prompts_of_pictures_jobs_and_fields_are_read(tmp_path: Path) -> None:
    with open_studio(tmp_path) as studio:
        fields = {"prompt": "a [cat:dog:2]", "negative_prompt": "fog", "steps": 4, "width": 64, "height": 64}
        job = studio.submit(fields)
        until(lambda: studio.job(job.id).over)
        desk, (made,) = studio.inspections, studio.pictures()
        found = desk.prompts(fields)
        assert [text["text"] for text in found[0]["prompt"]["parts"][0]["texts"]] == ["a cat", "a dog"]
        assert desk.prompts_of(made.id) == desk.prompts_in(job.id) == found
        hires = desk.prompts({**fields, "enable_hr": True, "hr_prompt": "a bird", "hr_second_pass_steps": 2})
        assert hires[1]["prompt"]["parts"][0]["texts"][0]["text"] == "a bird" and hires[1]["prompt"]["steps"] == 2


def test_steps_are_named_plainly() -> None:
    request = GenerationRequest.checked({"inspect": "1, 5-7"})
    assert [step for step in range(1, 10) if request.inspects(step, 9)] == [1, 5, 6, 7]
    assert GenerationRequest.checked({"inspect": "Last"}).inspects(9, 9)
    with pytest.raises(UserError, match="'often' names no steps"):
        GenerationRequest.checked({"inspect": "often"})
