from __future__ import annotations

import json

import pytest
from PIL import Image
from starlette.testclient import TestClient

from modules.core.request import PARAMS
from modules.server.gate import Gate
from modules.server.routes import build_app
from tests.jobs.painting import finished, studio_in, until


def test_a_job_goes_from_json_to_a_picture_file(web, studio, tmp_path):
    sent = {
        "prompt": "ein roter <b>Löwe</b> 🦁",
        "steps": 2,
        "seed": 41,
        "batch_count": 2,
        "tab": "txt2img",
        "owner": "me",
    }
    job = web.post("/api/jobs", json=sent).json()
    assert (job["prompt"], job["seed"], job["total"], job["owner"]) == (sent["prompt"], 41, 2, "me")
    finished(studio, job["id"])
    done = web.get(f"/api/jobs/{job['id']}").json()
    assert (done["state"], done["done"], done["request"]["steps"]) == ("finished", 2, 2)
    first, second = done["pictures"]
    assert (first["seed"], second["seed"]) == (41, 42)
    answer = web.get(first["url"])
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert "41" in answer.headers["content-disposition"]
    (tmp_path / "got.png").write_bytes(answer.content)
    with Image.open(tmp_path / "got.png") as image:
        assert image.text["parameters"] == first["infotext"]
    assert web.get(f"/api/pictures/{first['id']}").json() == first
    assert [one["id"] for one in web.get("/api/pictures").json()["pictures"]] == [second["id"], first["id"]]


@pytest.fixture
def picture(web, studio) -> dict:
    job = finished(studio, web.post("/api/jobs", json={"prompt": "a cat", "seed": 1}).json()["id"])
    return web.get(f"/api/pictures/{job.pictures[0]}").json()


def test_a_picture_is_sent_once_and_downloaded_under_its_name(web, picture):
    first = web.get(picture["url"])
    assert web.get(picture["url"], headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    plain = web.get(f"/pictures/{picture['id']}")
    assert plain.headers["cache-control"] == "private, no-cache"
    assert plain.headers["content-disposition"].startswith("inline")
    kept = web.get(f"/pictures/{picture['id']}?download=1")
    assert kept.headers["content-disposition"] == f'attachment; filename="{picture["name"]}"'
    assert kept.headers["x-content-type-options"] == "nosniff"
    assert web.head(picture["url"]).headers["content-length"] == str(len(first.content))


def test_a_thumbnail_is_a_small_webp(web, picture):
    answer = web.get(picture["thumbnail"])
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cache-control"].endswith("immutable")


def test_a_picture_whose_file_is_gone_is_a_sentence(web, studio, picture):
    studio.picture(picture["id"]).path.unlink()
    for address in (picture["url"], picture["thumbnail"]):
        answer = web.get(address)
        assert answer.status_code == 404
        assert "no longer there" in answer.json()["message"]
    assert web.get(f"/api/pictures/{picture['id']}").json()["missing"] is True


def test_pictures_are_paged_and_searched(web, studio):
    for prompt in ("a red cat", "a blue dog", "a red dog"):
        finished(studio, web.post("/api/jobs", json={"prompt": prompt}).json()["id"])
    found = [one["prompt"] for one in web.get("/api/pictures?search=red").json()["pictures"]]
    assert found == ["a red dog", "a red cat"]
    page = web.get("/api/pictures?limit=1").json()["pictures"]
    rest = web.get(f"/api/pictures?before={page[0]['id']}").json()["pictures"]
    assert [one["prompt"] for one in rest] == ["a blue dog", "a red cat"]


BODIES = [
    (b'{"steps": 0}', "Steps is 0, but must be at least 1"),
    (b'{"steps": NaN}', "Steps"),
    (b'{"cfg_scale": Infinity}', "CFG scale"),
    (b'{"steps": 1e400}', "Steps"),
    (b'{"width": 100}', "Width is 100, but must be a multiple of 8: try 96 or 104."),
    (b'{"prompt": ["a", "list"]}', "Prompt"),
    (b'{"prompt": "\\ud83d alone"}', "character 1 (U+D83D) is not text"),
    (b'{"checkpoint": "\\udc00"}', "Checkpoint: character 1 (U+DC00) is not text"),
    (b'{"scripts": {"a": {"b": "\\udc00"}}}', "half of a character pair"),
    (b'{"nonsense": 1}', "There is no parameter called 'nonsense'."),
    (b'{"\\ud800": 1}', "input should be a valid string"),
    (b'{"sampler": "Eulr"}', "There is no sampler called 'Eulr'."),
    (b'{"owner": "\\udc00"}', "The owner must be at most 100 printable characters."),
    (b'{"tab": "' + b"a" * 101 + b'"}', "The tab must be at most 100 printable characters."),
    (b'{"scripts": {"a": {"b": ' + b"[" * 900 + b"]" * 900 + b"}}}", "nested"),
    (b"[1, 2]", "The request is not a JSON object."),
    (b"{broken", "The request is not valid JSON"),
    (b'{"prompt": "\xff"}', "The request is not valid JSON"),
    (b'{"seed": ' + b"9" * 5000 + b"}", "The request is not valid JSON"),
    (
        b'{"prompt": "' + b"a" * 100_000 + b'"}',
        "Prompt has 100,000 characters; at most 20,000 can be used. Shorten it.",
    ),
    (b"[" * 200_000, "The request is"),
]


@pytest.mark.parametrize(("body", "sentence"), BODIES, ids=[body[:24].decode("latin-1") for body, _ in BODIES])
def test_bad_input_is_a_sentence_and_queues_nothing(web, studio, body, sentence):
    answer = web.post("/api/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert sentence in answer.json()["message"]
    assert len(answer.json()["message"]) < 400
    assert studio.jobs() == []


def test_html_in_a_prompt_travels_as_json_text_only(web):
    answer = web.post("/api/jobs", json={"prompt": "<script>alert(1)</script>", "batch_count": 1})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["prompt"] == "<script>alert(1)</script>"


def test_a_body_without_end_is_cut_off(web):
    def endless():
        for _ in range(70):
            yield b" " * (1 << 20)

    answer = web.post("/api/jobs", content=endless())
    assert answer.status_code == 413
    assert answer.json()["message"] == "The request is larger than 64 MB."


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/jobs/nowhere", 404),
        ("POST", "/api/jobs/nowhere/cancel", 404),
        ("POST", "/api/jobs/nowhere/stop", 404),
        ("POST", "/api/jobs/nowhere/resubmit", 404),
        ("POST", "/api/jobs/nowhere/dismiss", 404),
        ("GET", "/api/pictures/77", 404),
        ("GET", "/pictures/77", 404),
        ("GET", "/pictures/77/thumbnail", 404),
        ("GET", "/pictures/..%2f..%2feasel.sqlite", 404),
        ("GET", "/pictures/1%00", 422),
        ("GET", "/pictures/99999999999999999999999", 422),
        ("GET", "/api/pictures?before=99999999999999999999999", 422),
        ("GET", "/api/pictures?before=x", 422),
        ("GET", "/api/jobs?limit=-1", 422),
        ("DELETE", "/api/jobs", 405),
        ("GET", "/api/nothing", 404),
        ("GET", "/docs", 404),
    ],
)
def test_every_error_is_json_with_a_sentence(web, method, path, status):
    answer = web.request(method, path)
    assert answer.status_code == status
    assert answer.json()["message"].endswith(".")
    assert "hint" in answer.json()


def test_what_nobody_expected_is_one_sentence_too(studio):
    app = build_app(studio, Gate())

    @app.get("/ext/broken")
    def broken() -> None:
        raise ZeroDivisionError("secret details")

    answer = TestClient(app, base_url="http://localhost", raise_server_exceptions=False).get("/ext/broken")
    assert answer.status_code == 500
    assert answer.json()["message"] == "Something unexpected went wrong: ZeroDivisionError."
    assert "secret" not in answer.text


def test_jobs_are_listed_cancelled_stopped_resubmitted_and_dismissed(web, studio, engine):
    engine.may_go.clear()
    running, waiting = (web.post("/api/jobs", json={"prompt": name}).json()["id"] for name in "ab")
    until(lambda: engine.made)
    assert [job["id"] for job in web.get("/api/jobs").json()["jobs"]] == [waiting, running]
    assert web.post(f"/api/jobs/{running}/cancel").status_code == 422
    assert web.post(f"/api/jobs/{waiting}/cancel").json()["state"] == "cancelled"
    assert web.post(f"/api/jobs/{running}/stop", json={"how": "kindly"}).status_code == 422
    assert web.post("/api/stop").json() == {}
    finished(studio, running)
    again = web.post(f"/api/jobs/{running}/resubmit").json()
    engine.may_go.set()
    finished(studio, again["id"])
    assert web.post(f"/api/jobs/{running}/dismiss").json()["dismissed"] is True
    assert running not in [job["id"] for job in web.get("/api/jobs").json()["jobs"]]


def test_models_are_listed_with_what_a_request_calls_them(web, studio):
    (studio.folders.checkpoints[0] / "page.safetensors").write_text("<html>")
    assert [one["name"] for one in web.get("/api/models").json()["checkpoints"]] == ["toy"]
    page, toy = web.post("/api/models/refresh").json()["checkpoints"]
    assert (toy["name"], toy["native_size"], toy["problem"]) == ("toy", 64, "")
    assert "page.safetensors" in page["problem"]
    answer = web.post("/api/load", json={"checkpoint": "page"})
    assert answer.status_code == 422
    assert "page.safetensors" in answer.json()["message"]
    assert web.post("/api/load", json={"checkpoint": "toy"}).json()["state"] == "ready"


def test_abilities_are_null_until_the_engine_is_ready(web, tmp_path, engine):
    assert web.get("/api/abilities").json()["samplers"] == ["Euler", "Euler a", "DPM++ 2M"]
    studio = studio_in(tmp_path / "other", engine)
    try:
        early = TestClient(build_app(studio, Gate()), base_url="http://localhost")
        assert early.get("/api/abilities").json() is None
        assert early.get("/api/engine").json()["state"] == "starting"
    finally:
        studio.close()


def test_every_parameter_is_described_with_its_default_for_the_model(web):
    described = {one["name"]: one for one in web.get("/api/parameters").json()["parameters"]}
    assert set(described) == set(PARAMS)
    assert described["width"]["default"] == 64
    assert described["sampler"]["a1111"] == "sampler_name"
    assert described["cfg_scale"]["slider"] == [1, 30, 0.5]
    json.dumps(described, allow_nan=False)


def test_settings_change_all_together_or_not_at_all(web, studio):
    before = {one["name"]: one for one in web.get("/api/settings").json()["settings"]}
    assert (before["jpeg_quality"]["value"], before["jpeg_quality"]["source"]) == (90, "default")
    refused = web.post("/api/settings", json={"samples_format": "webp", "jpeg_quality": 500})
    assert refused.status_code == 422
    assert "JPEG" in refused.json()["message"]
    assert studio.settings["samples_format"] == "png"
    after = web.post("/api/settings", json={"samples_format": "webp", "jpeg_quality": 70}).json()["settings"]
    assert {one["name"]: one["source"] for one in after}["jpeg_quality"] == "file"
    assert web.post("/api/settings", json={"nonsense": 1}).json()["message"] == "There is no setting called 'nonsense'."


def test_a_setting_that_is_not_text_is_a_sentence(web):
    answer = web.post("/api/settings", content=json.dumps({"samples_filename_pattern": "\udc00"}))
    assert answer.status_code == 422
    assert "File name pattern is" in answer.json()["message"]


def test_tokens_are_counted_for_short_and_long_text(web):
    assert web.get("/api/tokens", params={"text": "a red cat"}).json() == {"tokens": 3, "room": 75, "remarks": []}
    counted = web.post("/api/tokens", json={"text": "cat " * 100}).json()
    assert (counted["tokens"], counted["room"]) == (100, 150)
    assert web.post("/api/tokens", json={"text": 5}).status_code == 422


def test_counting_knows_the_language_and_says_what_is_wrong(web):
    def count(text, **fields):
        return web.post("/api/tokens", json={"text": text, **fields}).json()

    assert count("[cat:a red dog:3] AND <lora:x:1> cat # no")["tokens"] == 3
    assert count("cat AND dog", negative=True)["tokens"] == 3
    assert count("(cat:1.2)", emphasis="None")["tokens"] > 3
    assert count("((cat)")["remarks"] == ["1 opening “(” never closed: the attention runs to the end of the prompt."]
    assert count("((cat)", emphasis="None")["remarks"] == []
    assert web.post("/api/tokens", json={"text": "cat", "steps": "x"}).status_code == 422


def test_styles_are_saved_applied_and_removed(web):
    style = {"name": "ink", "prompt": "{prompt} in ink", "negative_prompt": "colour"}
    assert web.post("/api/styles", json=style).json()["styles"] == [style]
    assert web.post("/api/styles", json=style).status_code == 422
    assert web.post("/api/styles", json={**style, "prompt": "ink", "replace": True}).status_code == 200
    assert web.get("/api/styles").json() == {"styles": [{**style, "prompt": "ink"}], "problems": []}
    asked = {"prompt": "a cat", "negative_prompt": "", "styles": "ink"}
    assert web.post("/api/styles/apply", json=asked).json() == {"prompt": "a cat, ink", "negative_prompt": "colour"}
    assert web.post("/api/tokens", json={"text": "a cat", "styles": "ink"}).json()["tokens"] == 4
    assert web.post("/api/styles/remove", json={"name": "ink"}).json()["styles"] == []
    assert "no style called" in web.post("/api/styles/remove", json={"name": "ink"}).json()["message"]


@pytest.mark.parametrize("text", ["((((", "a" * 20_000, "\ud83d", "[a:b:", "🦊" * 500, "(x:1e999)"])
def test_counting_tokens_survives_any_text(web, text):
    assert web.post("/api/tokens", content=json.dumps({"text": text})).status_code in (200, 422)


def test_pasting_gives_fields_and_what_is_lost(web):
    text = "a cat\nSteps: 9, Sampler: Euler, Seed: 5, Size: 64x64, Model: toy, Warmth: x"
    pasted = web.post("/api/paste", json={"text": text}).json()
    assert pasted["values"]["checkpoint"] == "toy"
    assert pasted["problems"] == ["Warmth: x could not be taken over."]
    odd = web.post("/api/paste", content=json.dumps({"text": "\udc00\nSteps: 5, Seed: 1, Sampler: \ud800"}))
    assert odd.status_code == 200
    assert odd.json()["problems"]


def test_the_pages_own_files_are_asked_about_each_time(web, studio, tmp_path, monkeypatch):
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "main.js").write_text("export {}")
    (tmp_path / "secret.js").write_text("secret")
    monkeypatch.setattr("modules.server.routes.PAGE_FILES", tmp_path / "static")
    app = build_app(studio, Gate())

    @app.get("/static/{path:path}")
    def page_below(path: str) -> dict:
        return {"below": path}

    client = TestClient(app, base_url="http://localhost")
    first = client.get("/static/main.js")
    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["cache-control"] == "no-cache"
    assert client.get("/static/main.js", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert client.get("/static/img/logo.svg").json() == {"below": "img/logo.svg"}
    for path in ("/static/../secret.js", "/static/%2e%2e/secret.js", "/static/..%2fsecret.js", "/static//etc/passwd"):
        assert "secret" not in client.get(path).text.replace("secret.js", "")
