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


def upload(web, pixels) -> str:
    return web.post("/api/inputs", content=encode(pixels, "png")[0]).json()["id"]


def test_the_part_that_will_be_painted_can_be_asked_for(web) -> None:
    picture, mask = numpy.zeros((200, 300, 3), numpy.uint8), numpy.zeros((200, 300, 3), numpy.uint8)
    mask[100:120, 40:80] = 255
    values = {"init_image": upload(web, picture), "mask": upload(web, mask), "mask_blur": 0, "width": 64, "height": 64}
    whole = web.post("/api/inputs/crop", json=values).json()
    assert whole == {"left": 0, "top": 0, "right": 300, "bottom": 200, "picture": {"width": 300, "height": 200}}
    values |= {"inpaint_area": "Only masked", "inpaint_full_res_padding": 10}
    part = web.post("/api/inputs/crop", json=values).json()
    assert part == {"left": 30, "top": 80, "right": 90, "bottom": 140, "picture": {"width": 300, "height": 200}}
    extended = web.post("/api/inputs/crop", json={**values, "outpaint_left": 100}).json()
    assert extended["picture"] == {"width": 400, "height": 200}
    assert (extended["left"], extended["right"]) == (0, 200)


def test_a_job_without_its_picture_or_with_another_mask_is_refused_with_a_sentence(web) -> None:
    small, large = upload(web, PIXELS), upload(web, numpy.zeros((8, 8, 3), numpy.uint8))
    for values, sentence in (
        ({"tab": "img2img"}, "There is no picture to start from."),
        ({"mask": small}, "There is no picture to start from."),
        ({"outpaint_left": 8}, "There is no picture to start from."),
        ({"tab": "img2img", "init_image": "f" * 32}, f"There is no picture {'f' * 32!r} to start from."),
        (
            {"tab": "inpaint", "init_image": small, "mask": large},
            "The mask has 8 x 8 pixels, but the picture 6 x 4.",
        ),
    ):
        answer = web.post("/api/jobs", json=values)
        assert (answer.status_code // 100, answer.json()["message"]) == (4, sentence)
        assert answer.json()["hint"]


def test_the_size_of_the_result_follows_from_the_picture(web, studio) -> None:
    picture = upload(web, numpy.zeros((100, 150, 3), numpy.uint8))
    for values, size in (
        ({"resize_scale": 2}, (296, 200)),
        ({"outpaint_left": 64, "outpaint_down": 64}, (216, 168)),
        ({"outpaint_left": 64, "inpaint_area": "Only masked", "width": 64, "height": 64}, (64, 64)),
        ({"width": 64, "height": 128}, (64, 128)),
    ):
        request = studio.filled({"init_image": picture, **values}, "img2img")
        assert (request.width, request.height) == size
    request = studio.filled({"init_image": picture, "outpaint_left": 64, "outpaint_down": 64}, "inpaint")
    assert (request.outpaint_left, request.outpaint_down, request.outpaint_right) == (66, 68, 0)
    assert studio.filled(request.model_dump(), "inpaint") == request


def test_what_starts_from_a_picture_is_saved_in_a_folder_of_its_own(web, studio) -> None:
    picture = upload(web, numpy.zeros((64, 64, 3), numpy.uint8))
    job = finished(studio, studio.submit({"init_image": picture, "steps": 1, "width": 64, "height": 64}, "img2img").id)
    assert studio.folders.outputs / "img2img-images" in studio.picture(job.pictures[0]).path.parents


def test_an_extensions_mask_can_be_made_of_a_stored_picture(web, studio) -> None:
    from modules.core.hooks import hook

    class Dark:
        @hook
        def offering_masks(self, masks):
            masks["Dark"] = lambda pixels: pixels[..., 0] < 50

    assert web.get("/api/masks").json() == {"masks": []}
    studio.hooks.register(Dark(), "dark")
    assert web.get("/api/masks").json() == {"masks": ["Dark"]}
    stored = web.post("/api/inputs/mask", json={"name": "Dark", "init_image": upload(web, PIXELS)}).json()
    assert (stored["width"], stored["height"]) == (6, 4)
    assert web.post("/api/inputs/mask", json={"name": "Bright", "init_image": stored["id"]}).status_code == 422
    assert web.post("/api/inputs/mask", json={"name": "Dark", "init_image": "x"}).status_code == 404
