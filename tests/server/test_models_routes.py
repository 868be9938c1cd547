"""The models as a collection, over HTTP: lists, cards, previews, moving, the trash."""

from __future__ import annotations

import io
import json
import os

import pytest
from PIL import Image

from modules.catalog.hashing import short_hash
from tests.catalog import architectures as made
from tests.catalog.test_detect import write_header
from tests.jobs.painting import finished, until


@pytest.fixture
def loras(studio):
    """Three LoRAs, one of them in a folder, with a card, a page and a preview."""
    folder = studio.folders.loras[0]
    (folder / "style").mkdir()
    for name in ("Alpha", "beta"):
        tags = {"ss_tag_frequency": '{"1": {"cat": 3, "a": 9}}'}
        write_header(folder / f"{name}.safetensors", made.lora_layers(), tags)
    write_header(folder / "style" / "ink.safetensors", made.lora_layers(context=2048))
    (folder / "style" / "ink.json").write_text(json.dumps({"activation text": "ink", "preferred weight": 0.8, "id": 1}))
    (folder / "style" / "ink.civitai.info").write_text(json.dumps({"modelId": 5, "trainedWords": ["ink", "wash"]}))
    Image.new("RGB", (900, 300), "teal").save(folder / "style" / "ink.preview.png")
    studio.collection.look_again()
    return folder


def listed(web, kind="LoRA"):
    return {one["name"]: one for one in web.get(f"/api/models/kinds/{kind}").json()["models"]}


def test_a_list_has_what_a_card_shows_and_the_folders(web, loras):
    answer = web.get("/api/models/kinds/LoRA").json()
    assert [one["name"] for one in answer["models"]] == ["Alpha", "beta", "ink"]
    assert answer["folders"] == ["", "style"]
    ink = answer["models"][2]
    assert (ink["family"], ink["folder"], ink["words"], ink["weight"]) == ("SDXL", "style", "ink", 0.8)
    small = web.get(ink["preview"])
    assert small.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(small.content)).size == (320, 107)
    assert "immutable" in small.headers["cache-control"]


def test_new_files_are_seen_after_a_refresh_and_every_page_hears_of_it(web, studio, loras):
    assert "new" not in listed(web)
    write_header(loras / "new.safetensors", made.lora_layers())
    assert "new" not in listed(web)
    with studio.watch() as watcher:
        web.post("/api/models/refresh")
        assert ("models", {"id": ""}) in [(news.kind, news.data) for news in watcher.take()]
    assert "new" in listed(web)


def test_an_unknown_kind_is_refused_and_an_unknown_model_is_not_found(web):
    assert "checkpoint, VAE, LoRA" in web.get("/api/models/kinds/flower").json()["hint"]
    assert web.get(f"/api/models/{'0' * 16}").status_code == 404
    assert web.get("/api/models/..%2fetc").status_code in (404, 422)


def test_details_say_why_and_the_hash_comes_by_itself(web, studio, loras):
    model = listed(web)["Alpha"]
    with studio.watch() as watcher:
        details = web.get(f"/api/models/{model['id']}").json()
        assert (details["sha256"], details["hash"]) == (None, "")
        until(lambda: any(news.data == {"id": model["id"]} for news in watcher.take() if news.kind == "models"))
    details = web.get(f"/api/models/{model['id']}").json()
    assert details["hash"] == short_hash(details["sha256"]) != ""
    assert listed(web)["Alpha"]["hash"] == details["hash"]
    assert "LoRA tensors such as" in details["reason"]
    assert (details["tags"], details["tensors"], details["types"]) == (["a", "cat"], 24, ["F16"])


def test_a_card_is_written_beside_the_model_and_everybody_hears_of_it(web, studio, loras):
    ink = listed(web)["ink"]
    with studio.watch() as watcher:
        answer = web.post(f"/api/models/{ink['id']}", json={"notes": "lovely", "trigger_words": "ink, blot"})
        assert [news.kind for news in watcher.take()] == ["models"]
    assert answer.json()["card"]["notes"] == "lovely"
    content = json.loads((loras / "style" / "ink.json").read_text())
    assert content == {"activation text": "ink, blot", "preferred weight": 0.8, "id": 1, "notes": "lovely"}
    assert json.loads((loras / "style" / "ink.civitai.info").read_text())["trainedWords"] == ["ink", "blot"]
    assert web.post(f"/api/models/{ink['id']}", json={"colour": "red"}).status_code == 422


def test_what_the_owner_knows_better_is_kept_and_used(web, studio):
    model = next(iter(listed(web, "checkpoint").values()))
    own = {"recommended": {"steps": 7, "sampler": "Euler a"}, "prediction_type": "v_prediction"}
    own |= {"zero_terminal_snr": True}
    answer = web.post(f"/api/models/{model['id']}", json=own).json()
    assert answer["own"]["prediction_type"] == answer["prediction_type"] == "v_prediction"
    assert answer["own"]["zero_terminal_snr"] is True
    assert studio.defaults(model["name"])["steps"] == 7
    assert studio.filled({"checkpoint": model["name"], "prompt": "x"}).steps == 7
    assert web.post(f"/api/models/{model['id']}", json={"family": "sd9"}).status_code == 422


def test_a_picture_just_made_becomes_the_preview(web, studio, loras):
    job = studio.submit({"prompt": "a cat", "steps": 1, "width": 64, "height": 64})
    picture = finished(studio, job.id).pictures[0]
    alpha = listed(web)["Alpha"]
    assert alpha["preview"] is None
    answer = web.post(f"/api/models/{alpha['id']}/preview", json={"picture": picture}).json()
    assert web.get(answer["preview"]).status_code == 200
    assert (loras / "Alpha.preview.png").read_bytes() == studio.picture(picture).path.read_bytes()


def test_a_model_is_renamed_and_moved_with_what_lies_beside_it(web, loras):
    ink = listed(web)["ink"]
    renamed = web.post(f"/api/models/{ink['id']}/rename", json={"name": "brush"}).json()["id"]
    assert sorted(path.name for path in (loras / "style").iterdir()) == [
        "brush.civitai.info",
        "brush.json",
        "brush.preview.png",
        "brush.safetensors",
    ]
    web.post(f"/api/models/{renamed}/move", json={"folder": "old/things"})
    assert listed(web)["brush"]["folder"] == "old/things"
    assert list((loras / "style").iterdir()) == []


@pytest.mark.parametrize("name", ["", " ", "../x", "a/b", "a\\b", ".hidden", "x" * 300, "nul\0", "beta"])
def test_names_that_cannot_be_are_refused_and_nothing_moves(web, loras, name):
    answer = web.post(f"/api/models/{listed(web)['Alpha']['id']}/rename", json={"name": name})
    assert answer.status_code == 422
    assert answer.json()["message"]
    assert (loras / "Alpha.safetensors").exists()


@pytest.mark.parametrize("folder", ["..", "../..", "a/../..", "/etc", ".hidden"])
def test_no_model_leaves_its_models_folder(web, loras, folder):
    web.post(f"/api/models/{listed(web)['Alpha']['id']}/move", json={"folder": folder})
    assert (loras / "Alpha.safetensors").exists()


def test_a_model_goes_to_the_trash_and_back_with_what_lies_beside_it(web, loras):
    ink = listed(web)["ink"]
    place = web.post(f"/api/models/{ink['id']}/trash").json()["place"]
    assert "ink" not in listed(web)
    (thrown,) = web.get("/api/models/trash").json()["models"]
    assert (thrown["id"], thrown["name"]) == (place, "style/ink.safetensors")
    write_header(loras / "style" / "ink.safetensors", made.lora_layers())
    web.post(f"/api/models/trash/{place}/restore")
    assert sorted(path.name for path in (loras / "style").iterdir()) == [
        "ink (2).civitai.info",
        "ink (2).json",
        "ink (2).preview.png",
        "ink (2).safetensors",
        "ink.safetensors",
    ]
    assert web.get("/api/models/trash").json()["models"] == []
    assert web.post(f"/api/models/trash/{place}/restore").status_code == 404


def test_the_trash_is_emptied_for_good(web, loras):
    web.post(f"/api/models/{listed(web)['Alpha']['id']}/trash")
    assert web.post("/api/models/trash/empty").json() == {"deleted": 1}
    assert not any((loras / ".trash").iterdir())


def test_a_move_that_fails_midway_leaves_everything_where_it_was(web, loras, monkeypatch):
    real = os.rename

    def failing(old, new):
        if str(old).endswith(".json"):
            raise PermissionError(13, "Permission denied")
        real(old, new)

    monkeypatch.setattr("os.rename", failing)
    answer = web.post(f"/api/models/{listed(web)['ink']['id']}/rename", json={"name": "other"})
    assert "Permission denied" in answer.json()["message"]
    assert (loras / "style" / "ink.safetensors").exists()


def test_files_that_are_new_in_masses_are_listed_at_once_and_read_in_the_background(web, studio, loras, monkeypatch):
    monkeypatch.setattr("modules.jobs.collection.PATIENCE", -1)
    with studio.watch() as watcher:
        assert {one["family"] for one in listed(web).values()} == {""}
        until(lambda: any(news.data == {"id": "LoRA"} for news in watcher.take() if news.kind == "models"))
    assert {one["family"] for one in listed(web).values()} == {"SD 1.x", "SDXL"}
