"""The whole program, as a person or a script meets it."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from modules.app import main
from modules.imaging.metadata import read_parameters

from .conftest import ROOT, LiveServer

SMALL = {"prompt": "a red house, [hill]", "steps": 3, "seed": 41, "batch_count": 2}


def wait_for(question: Callable[[], object], seconds: float = 180) -> object:
    """The first answer that is true. Fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = question()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def finished(client: httpx.Client, job: str) -> dict:
    return wait_for(lambda: (found := client.get(f"/api/jobs/{job}").json())["state"] not in WORKING and found)


WORKING = ("waiting", "running")


@pytest.fixture
def client(live_server: LiveServer):
    with httpx.Client(base_url=live_server.address, timeout=30) as client:
        yield client


def test_the_page_is_served_before_torch_is_imported(tmp_path):
    script = (
        "import sys\n"
        "from modules import flags\n"
        "from modules.app import assemble\n"
        "from starlette.testclient import TestClient\n"
        f"program = assemble(flags.parse(['--data-dir', {str(tmp_path)!r}]))\n"
        "page = TestClient(program.web, base_url='http://127.0.0.1').get('/')\n"
        "assert page.status_code == 200 and 'txt2img_prompt' in page.text\n"
        "heavy = {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=120)


def test_a_job_ends_as_numbered_pngs_with_their_story(client, live_server):
    job = finished(client, client.post("/api/jobs", json=SMALL).json()["id"])
    assert job["state"] == "finished"
    folder = live_server.folder / "outputs" / "txt2img-images" / date.today().isoformat()
    files = sorted(folder.glob("*-4?.png"))
    assert [file.name.split("-")[1] for file in files[-2:]] == ["41.png", "42.png"]
    text = read_parameters(files[-1])
    assert text.startswith("a red house, [hill]\nSteps: 3, Sampler: Euler, Schedule type: Automatic, CFG scale: 5, ")
    assert "Size: 64x64, Model hash: " in text and "Model: toy, RNG: NV" in text


def test_the_text_of_a_picture_pasted_back_makes_the_same_pixels(client, live_server):
    job = finished(client, client.post("/api/jobs", json=SMALL).json()["id"])
    record = client.get(f"/api/pictures/{job['pictures'][1]['id']}").json()
    pasted = client.post("/api/paste", json={"text": record["infotext"]}).json()
    again = finished(client, client.post("/api/jobs", json=pasted["values"]).json()["id"])
    answers = [client.get(f"/pictures/{picture}") for picture in (record["id"], again["pictures"][0]["id"])]
    pixels = [np.asarray(Image.open(io.BytesIO(answer.content))).astype(int) for answer in answers]
    assert np.abs(pixels[0] - pixels[1]).max() <= 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "Steps is 0, but must be at least 1."),
        ({"steps": "NaN"}, "Steps"),
        ({"width": 100}, "Width is 100, but must be a multiple of 8: try 96 or 104."),
        ({"prompt": "x" * 100_000}, "Prompt has 100,000 characters"),
        ({"sampler": "Eular"}, "Did you mean Euler"),
        ({"checkpoint": "nothing-like-it"}, "nothing-like-it"),
    ],
)
def test_bad_input_is_one_clear_sentence(client, change, words):
    answer = client.post("/api/jobs", json={**SMALL, **change})
    assert answer.status_code in (404, 422)
    said = answer.json()
    assert words in f"{said['message']} {said['hint']}"


def test_gradio_gives_no_file_of_this_machine_away(client):
    for path in ("/gradio_api/file=/etc/passwd", "/gradio_api/file=../../etc/passwd", "/file=/etc/passwd"):
        assert client.get(path).status_code in (403, 404)


def test_the_page_asks_no_other_host_for_anything(client):
    page = client.get("/").text
    for host in ("googleapis.com", "gstatic.com", "cdn.jsdelivr", "cdnjs", "huggingface.co/", "unpkg"):
        assert f'src="https://{host}' not in page and f'href="https://{host}' not in page


def test_a_taken_port_is_one_sentence(capsys, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--port", str(taken.getsockname()[1]), "--data-dir", str(tmp_path), "--no-browser"]) == 1
    said = capsys.readouterr().err
    assert "is taken by another program" in said and "--port" in said and "Traceback" not in said


class Running:
    """The program as a process of its own, to be killed."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        flags = ["--skip-install", "--no-browser", "--port", str(self.port), "--data-dir", str(folder)]
        self.process = subprocess.Popen([sys.executable, "webui.py", *flags], cwd=ROOT)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        wait_for(self._answers)

    def _answers(self) -> bool:
        try:
            return self.client.get("/api/jobs").status_code == 200
        except httpx.TransportError:
            return False

    def end(self, how: int) -> int:
        self.client.close()
        self.process.send_signal(how)
        return self.process.wait(30)


def test_a_killed_server_loses_nothing(tmp_path, toy_checkpoint):
    place = tmp_path / "models" / "Stable-diffusion"
    place.mkdir(parents=True)
    (place / "toy.safetensors").hardlink_to(toy_checkpoint)
    small = {**SMALL, "checkpoint": "toy", "width": 64, "height": 64}

    running = Running(tmp_path)
    done, long, waiting = (
        running.client.post("/api/jobs", json={**small, **change}).json()["id"]
        for change in ({}, {"batch_count": 500}, {"seed": 5})
    )
    wait_for(lambda: len(running.client.get(f"/api/jobs/{long}").json()["pictures"]) >= 2)
    running.end(signal.SIGKILL)

    running = Running(tmp_path)
    try:
        assert running.client.get(f"/api/jobs/{done}").json()["state"] == "finished"
        interrupted = running.client.get(f"/api/jobs/{long}").json()
        assert interrupted["state"] == "interrupted" and len(interrupted["pictures"]) >= 2
        assert all(running.client.get(picture["url"]).status_code == 200 for picture in interrupted["pictures"])
        assert finished(running.client, waiting)["state"] == "finished"
        again = running.client.post(f"/api/jobs/{long}/resubmit").json()["id"]
        wait_for(lambda: running.client.get(f"/api/jobs/{again}").json()["pictures"])
    finally:
        code = running.end(signal.SIGINT)
    assert code == 0
