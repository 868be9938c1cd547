from __future__ import annotations

import sqlite3

import pytest

from modules.core.request import GenerationRequest
from modules.jobs.database import Database
from modules.jobs.queue import JobQueue, NotFound


@pytest.fixture
def queue(tmp_path):
    database = Database(tmp_path / "easel.sqlite")
    yield JobQueue(database)
    database.close()


def request(prompt: str) -> GenerationRequest:
    return GenerationRequest.checked({"prompt": prompt, "seed": 5})


def test_a_job_comes_back_as_it_was_stored(queue):
    job = queue.add(request("ein Löwe 🦁 של"), "txt2img", "me")
    assert queue.get(job.id) == job
    assert queue.get(job.id).request == request("ein Löwe 🦁 של")


def test_jobs_are_taken_in_the_order_they_came(queue):
    added = [queue.add(request(str(number))).id for number in range(5)]
    taken = []
    while (job := queue.take_next()) is not None:
        assert job.state == "running"
        assert job.started is not None
        taken.append(job.id)
    assert taken == added


def test_a_cancelled_job_is_not_taken(queue):
    first, second = queue.add(request("a")), queue.add(request("b"))
    assert queue.end(first.id, "cancelled", only_from="waiting").state == "cancelled"
    assert queue.take_next().id == second.id


def test_a_running_job_is_not_cancelled_by_a_late_click(queue):
    job = queue.add(request("a"))
    queue.take_next()
    assert queue.end(job.id, "cancelled", only_from="waiting").state == "running"


def test_recovery_marks_what_ran_and_nothing_else(queue):
    running, waiting = queue.add(request("a")), queue.add(request("b"))
    queue.take_next()
    assert [job.id for job in queue.recover()] == [running.id]
    assert queue.get(running.id).state == "interrupted"
    assert "ended while this job ran" in queue.get(running.id).message
    assert queue.get(waiting.id).state == "waiting"
    assert queue.recover() == []


def test_only_jobs_that_are_over_can_be_dismissed(queue):
    job = queue.add(request("a"))
    assert not queue.dismiss(job.id).dismissed
    queue.take_next()
    queue.end(job.id, "failed", "It broke.")
    assert queue.dismiss(job.id).dismissed
    assert queue.newest() == []
    assert queue.get(job.id).message == "It broke."


def test_lists_are_newest_first_and_unfinished_ones_in_their_turn(queue):
    ids = [queue.add(request(str(number))).id for number in range(4)]
    queue.end(queue.take_next().id, "finished")
    queue.take_next()
    assert [job.id for job in queue.newest(3)] == [ids[3], ids[2], ids[1]]
    assert [job.id for job in queue.unfinished()] == [ids[1], ids[2], ids[3]]


def test_an_unknown_job_is_an_error_with_a_sentence(queue):
    with pytest.raises(NotFound, match="no job 'nowhere'"):
        queue.get("nowhere")


def test_a_job_of_an_extension_that_is_gone_can_still_be_shown(queue, tmp_path):
    job = queue.add(request("a"))
    other = sqlite3.connect(tmp_path / "easel.sqlite")
    other.execute("""UPDATE jobs SET request = json_set(request, '$.extra', json('{"sparkle": 2}'))""")
    other.commit()
    other.close()
    assert queue.get(job.id).request.extra == {"sparkle": 2}
    assert queue.get(job.id).request.prompt == "a"
