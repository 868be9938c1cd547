"""The disk is full: in a process whose files may not grow, which fails in the same places."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs.painting import folders_in

PROGRAM = """
import json, resource, sys
from pathlib import Path
from modules.core.errors import UserError
from tests.jobs.painting import PaintingEngine, finished, open_studio, until

def largest_file(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

seen = {}
engine = PaintingEngine()
with open_studio(Path(sys.argv[1]), engine) as studio, studio.watch() as watcher:
    before = finished(studio, studio.submit({"prompt": "before"}).id)
    engine.may_go.clear()
    job = studio.submit({"prompt": "during", "batch_count": 500})
    until(lambda: "during" in engine.made)
    largest_file(10)
    engine.may_go.set()
    heard = []
    until(lambda: heard.extend(watcher.take()) or [n for n in heard if n.kind == "job" and n.data["state"] == "failed"])
    seen["told"] = [n.data for n in heard if n.kind == "job"][-1]["message"]
    try:
        studio.submit({"prompt": "refused"})
    except UserError as error:
        seen["refused"] = error.message
    largest_file(resource.RLIM_INFINITY)
    seen["after"] = finished(studio, studio.submit({"prompt": "after"}).id).state
    seen["during"] = studio.job(job.id).state
    seen["before"] = [picture.missing for picture in studio.pictures_of(before)]
    seen["made"] = engine.made
print(json.dumps(seen))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk_fails_the_job_with_a_sentence_and_the_program_goes_on_when_there_is_room_again(tmp_path):
    folders_in(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "There is no room in" in seen["told"]
    assert "cannot be written" in seen["refused"]
    assert seen["after"] == "finished"
    assert seen["during"] == "failed"
    assert seen["before"] == [False]
    assert seen["made"] == ["before", "during", "after"]
