"""Models are fetched over HTTP by who owns the machine, and by nobody else; keys are never shown again."""

from __future__ import annotations

import torch
from safetensors.torch import save
from starlette.testclient import TestClient

from modules.core.setting import HIDDEN
from modules.server.gate import Gate
from modules.server.routes import build_app
from tests.jobs.painting import until
from tests.jobs.source import Source

LORA = save({f"lora_unet_down_blocks_0_x.lora_{end}.weight": torch.ones(4, 320) for end in ("down", "up")})
HOME = "192.168.1.2"
FROM_HERE = {"client": ("127.0.0.1", 5000), "base_url": "http://localhost:7860"}


def test_a_model_is_fetched_told_of_and_listed_and_can_be_taken_off_the_list(studio) -> None:
    web = TestClient(build_app(studio, Gate()), **FROM_HERE)
    with studio.watch() as watcher, Source(LORA) as source:
        download = web.post(
            "/api/downloads", json={"address": source.address("soft light.safetensors".replace(" ", "%20"))}
        )
        until(lambda: web.get("/api/downloads").json()["downloads"][0]["state"] == "finished")
        assert any(news.kind == "download" for news in watcher.take())
    assert [one["name"] for one in web.get("/api/models/kinds/LoRA").json()["models"]] == ["soft light"]
    assert studio.snapshot()["downloads"][0]["received"] == len(LORA)
    number = download.json()["id"]
    assert web.post(f"/api/downloads/{number}/remove", json={}).json() == {}
    assert web.post(f"/api/downloads/{number}/stop", json={}).status_code == 404
    assert web.get("/api/downloads").json()["downloads"] == []


def test_the_offers_say_which_files_are_there(studio) -> None:
    web = TestClient(build_app(studio, Gate()), **FROM_HERE)
    (studio.folders.models / "ESRGAN").mkdir(exist_ok=True)
    (studio.folders.models / "ESRGAN" / "RealESRGAN_x4plus.pth").write_bytes(b"there")
    studio.collection.look_again()
    there = {offer["name"]: offer["there"] for offer in web.get("/api/downloads").json()["offers"]}
    assert there["Real-ESRGAN x4+"]
    assert not there["Stable Diffusion 1.5"]


def test_a_wrong_address_is_answered_with_a_sentence(studio) -> None:
    answer = TestClient(build_app(studio, Gate()), **FROM_HERE).post(
        "/api/downloads", json={"address": "ftp://x/y.ckpt"}
    )
    assert (answer.status_code, answer.json()["message"]) == (422, "Files are fetched by http and https, not ftp.")


def test_who_comes_from_elsewhere_may_not_have_files_fetched(studio) -> None:
    guest = TestClient(build_app(studio, Gate(listen=True)), client=("192.168.1.9", 5000), base_url=f"http://{HOME}")
    for place in ("", "/1f/stop", "/1f/resume", "/1f/remove"):
        answer = guest.post(f"/api/downloads{place}", json={"address": "http://127.0.0.1/x.ckpt"})
        assert answer.status_code == 403
        assert "only at the machine" in answer.json()["message"]


def test_a_key_is_kept_but_never_shown(studio) -> None:
    web = TestClient(build_app(studio, Gate()), **FROM_HERE)

    def shown() -> str:
        return next(
            one["value"] for one in web.get("/api/settings").json()["settings"] if one["name"] == "civitai_api_key"
        )

    assert shown() == ""
    assert "s3cret" not in web.post("/api/settings", json={"civitai_api_key": "s3cret"}).text
    assert shown() == HIDDEN
    web.post("/api/settings", json={"civitai_api_key": HIDDEN})
    assert studio.settings["civitai_api_key"] == "s3cret"
    web.post("/api/settings", json={"civitai_api_key": ""})
    assert studio.settings["civitai_api_key"] == ""
