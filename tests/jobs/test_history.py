from __future__ import annotations

import numpy as np
import pytest

from modules.core.pictures import Facts, Picture
from modules.core.request import GenerationRequest
from modules.jobs.database import Database
from modules.jobs.history import History
from modules.jobs.queue import JobQueue, NotFound


@pytest.fixture
def database(tmp_path):
    opened = Database(tmp_path / "easel.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def history(database, tmp_path):
    return History(database, tmp_path / "outputs")


def picture(prompt: str, index: int = 0, negative: str = "") -> Picture:
    request = GenerationRequest.checked({"prompt": prompt, "negative_prompt": negative, "seed": 9})
    return Picture(np.zeros((16, 24, 3), np.uint8), index, request, Facts(9 + index, model="toy"), "the text")


def test_a_picture_comes_back_with_its_story(history, tmp_path):
    path = tmp_path / "outputs" / "2024" / "00001-9.png"
    added = history.add("job1", picture("a cat", 2, "dogs"), path, "the text")
    found = history.get(added.id)
    assert (found.job, found.index, found.path, found.width, found.height) == ("job1", 2, path, 24, 16)
    assert (found.seed, found.prompt, found.negative_prompt, found.model) == (11, "a cat", "dogs", "toy")
    assert found.infotext == "the text"


def test_pictures_move_with_the_outputs_folder(database, history, tmp_path):
    inside = history.add("j", picture("a"), tmp_path / "outputs" / "x.png", "")
    outside = history.add("j", picture("b"), tmp_path / "elsewhere" / "y.png", "")
    moved = History(database, tmp_path / "moved")
    assert moved.get(inside.id).path == tmp_path / "moved" / "x.png"
    assert moved.get(outside.id).path == tmp_path / "elsewhere" / "y.png"


def test_a_picture_whose_file_is_gone_says_so(history, tmp_path):
    path = tmp_path / "outputs" / "x.png"
    record = history.add("j", picture("a"), path, "")
    assert record.missing
    path.parent.mkdir()
    path.write_bytes(b"png")
    assert not history.get(record.id).missing


def test_pages_of_the_history_follow_each_other(history, tmp_path):
    ids = [history.add("j", picture(str(n), n), tmp_path / f"{n}.png", "").id for n in range(5)]
    first = [record.id for record in history.newest(limit=2)]
    second = [record.id for record in history.newest(before=first[-1], limit=2)]
    assert first + second == ids[:0:-1]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("cat", {"a red cat", "CATS and dogs"}),
        ("red cat", {"a red cat"}),
        ("lion 🦁", set()),
        ("löwe", {"ein Löwe"}),
        ('"cat', {"a red cat", "CATS and dogs"}),
        ("cat OR NEAR(dogs", set()),
        ("* ( ) : -", set()),
        ("red\0cat", {"a red cat"}),
        ("   ", {"a red cat", "CATS and dogs", "ein Löwe"}),
    ],
)
def test_search_finds_beginnings_of_words_and_takes_operators_as_words(history, tmp_path, search, expected):
    for number, prompt in enumerate(("a red cat", "CATS and dogs", "ein Löwe")):
        history.add("j", picture(prompt), tmp_path / f"{number}.png", "")
    assert {record.prompt for record in history.newest(search=search)} == expected


def test_negative_prompts_are_searched_too(history, tmp_path):
    history.add("j", picture("a cat", negative="blurry"), tmp_path / "1.png", "")
    assert len(history.newest(search="blur")) == 1


def test_a_job_names_its_pictures_in_order_of_their_index(database, history, tmp_path):
    job = JobQueue(database).add(GenerationRequest.checked({}))
    second = history.add(job.id, picture("b", 1), tmp_path / "2.png", "")
    first = history.add(job.id, picture("a", 0), tmp_path / "1.png", "")
    assert JobQueue(database).get(job.id).pictures == (first.id, second.id)
    assert [one.prompt for one in history.many([second.id, 999, first.id])] == ["b", "a"]


def test_an_unknown_picture_is_an_error_with_a_sentence(history):
    with pytest.raises(NotFound, match="no picture 7"):
        history.get(7)
