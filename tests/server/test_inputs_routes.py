"""Uploading pictures to start from."""

from __future__ import annotations

import io

import numpy
import pytest
from PIL import Image

from modules.imaging.save import encode
from tests.jobs.painting import finished

PIXELS = numpy.full((4, 6, 3), 90, numpy.uint8)


def test_a_file_is_stored_and_given_back_as_png(web) -> None:
    answer = web.post("/api/inputs", content=encode(PIXELS, "jpg", "a cat\nSteps: 2, Seed: 3, Size: 6x4")[0])
    assert answer.status_code == 200
    stored = answer.json()
    assert (stored["width"], stored["height"]) == (6, 4)
    assert stored["infotext"].startswith("a cat")
    assert stored["url"] == f"/inputs/{stored['id']}"
    file = web.get(stored["url"])
    assert file.headers["content-type"] == "image/png"
    assert "immutable" in file.headers["cache-control"]
    assert Image.open(io.BytesIO(file.content)).size == (6, 4)
    assert web.get(stored["url"], headers={"if-none-match": file.headers["etag"]}).status_code == 304
    assert web.get(f"/api/inputs/{stored['id']}").json() == stored


def test_a_picture_of_the_history_needs_no_upload(web, studio) -> None:
    job = finished(studio, studio.submit({"prompt": "a cat", "steps": 1, "width": 64, "height": 64}).id)
    answer = web.post("/api/inputs", json={"picture": job.pictures[0]})
    stored = answer.json()
    assert (stored["width"], stored["height"]) == (64, 64)
    assert stored["infotext"] == studio.picture(job.pictures[0]).infotext
    assert web.post("/api/inputs", json={"picture": str(job.pictures[0])}).json() == stored


@pytest.mark.parametrize(
    ("content", "headers", "status", "sentence"),
    [
        (b"", {}, 422, "empty"),
        (b"<svg/>", {"content-type": "image/png"}, 422, "SVG"),
        (b"nonsense", {}, 422, "not a picture"),
        (b'{"picture": 999}', {"content-type": "application/json"}, 404, "no picture 999"),
        (b'{"picture": "x"}', {"content-type": "application/json"}, 422, "not the id"),
        (b'{"picture": []}', {"content-type": "application/json"}, 422, "form"),
        (b"[]", {"content-type": "application/json"}, 422, "form"),
        (b"{", {"content-type": "application/json"}, 422, "form"),
        (b'{"picture": ' + b"9" * 40 + b"}", {"content-type": "application/json"}, 404, "no picture"),
    ],
)
def test_what_cannot_be_used_is_answered_with_a_sentence(web, content, headers, status, sentence) -> None:
    answer = web.post("/api/inputs", content=content, headers=headers)
    assert answer.status_code == status
    assert sentence in answer.json()["message"]


def test_a_history_picture_whose_file_is_gone_is_named(web, studio) -> None:
    job = finished(studio, studio.submit({"prompt": "a cat", "steps": 1, "width": 64, "height": 64}).id)
    record = studio.picture(job.pictures[0])
    record.path.unlink()
    answer = web.post("/api/inputs", json={"picture": record.id})
    assert answer.status_code == 404
    assert record.path.name in answer.json()["message"]


@pytest.mark.parametrize("path", ["/inputs/nothing", "/api/inputs/nothing", "/inputs/..%2f..%2fetc%2fpasswd"])
def test_an_unknown_id_is_a_plain_404(web, path) -> None:
    assert web.get(path).status_code == 404
