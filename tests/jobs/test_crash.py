"""The program is killed in the middle of a job, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.jobs.painting import PaintingEngine, finished, folders_in, open_studio, studio_in, until

PROGRAM = """
import sys, time
from pathlib import Path
from tests.jobs.painting import PaintingEngine, studio_in, until

engine = PaintingEngine(seconds=0.01)
studio = studio_in(Path(sys.argv[1]), engine)
studio.start()
job = studio.submit({"prompt": "long", "seed": 100, "batch_count": 1000, "steps": 2})
for prompt in ("second", "third"):
    studio.submit({"prompt": prompt, "steps": 1, "seed": 5})
until(lambda: len(studio.job(job.id).pictures) >= 3)
print(job.id, flush=True)
time.sleep(60)
"""


@pytest.fixture
def killed(tmp_path) -> str:
    """The id of the job that ran when the program was killed with SIGKILL."""
    folders_in(tmp_path)
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    try:
        job = program.stdout.readline().strip()
    finally:
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
        program.stdout.close()
    assert job
    return job


def test_after_sigkill_the_job_is_interrupted_its_pictures_are_there_and_the_queue_goes_on(tmp_path, killed):
    studio = studio_in(tmp_path, PaintingEngine())
    try:
        job = studio.job(killed)
        assert job.state == "interrupted"
        assert "ended while this job ran" in job.message
        pictures = studio.pictures_of(job)
        assert len(pictures) >= 3
        assert [one.seed for one in pictures] == list(range(100, 100 + len(pictures)))
        for picture in pictures:
            with Image.open(picture.path) as image:
                image.load()
                assert f"Seed: {picture.seed}" in image.text["parameters"]
        waiting = [one for one in studio.jobs() if one.state == "waiting"]
        assert [one.request.prompt for one in waiting] == ["third", "second"]
        shown = {one["id"]: one for one in studio.snapshot()["jobs"]}
        assert shown[killed]["state"] == "interrupted"
        assert shown[killed]["done"] == len(pictures)

        studio.start()
        assert [finished(studio, one.id).state for one in waiting] == ["finished", "finished"]
    finally:
        studio.close()


def test_the_interrupted_job_is_made_again_with_the_same_seed(tmp_path, killed):
    with open_studio(tmp_path) as studio:
        again = studio.resubmit(killed)
        assert again.request == studio.job(killed).request
        assert killed not in [job.id for job in studio.jobs()]
        until(lambda: studio.job(again.id).pictures)
        studio.stop(again.id)
        assert finished(studio, again.id).state == "stopped"
        first_then = studio.pictures_of(studio.job(killed))[0]
        first_now = studio.pictures_of(studio.job(again.id))[0]
        assert first_then.infotext == first_now.infotext
        with Image.open(first_then.path) as then, Image.open(first_now.path) as now:
            assert then.tobytes() == now.tobytes()


def test_an_orderly_end_in_the_middle_of_a_job_is_shown_as_interrupted_too(tmp_path):
    engine = PaintingEngine(seconds=0.005)
    with open_studio(tmp_path, engine) as studio:
        job = studio.submit({"batch_count": 500, "steps": 2})
        until(lambda: studio.job(job.id).pictures)
        studio.close()
    with open_studio(tmp_path) as studio:
        again = studio.job(job.id)
        assert again.state == "interrupted"
        assert len(again.pictures) >= 1
        assert engine.closed
