"""New model files over HTTP: what would come of it is said first, then a job makes it, and everybody sees it."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file

import modules.engine.making  # noqa: F401 (it takes seconds, which no job should wait for)
from modules.core.files import part_of
from modules.core.request import GenerationRequest
from modules.jobs.database import Database
from modules.jobs.model_work import clear_away
from modules.jobs.queue import JobQueue
from tests.diffusers_folders import parts_of, written
from tests.jobs.painting import finished, until
from tests.open_clip import sd2_shapes
from tests.toy import write_random, write_toy_checkpoint
from tests.weights.test_parity import UNET


@pytest.fixture
def folder(studio):
    """The checkpoints' folder: toy, other (alike) and a pickle of SD 2."""
    folder = studio.folders.checkpoints[0]
    write_toy_checkpoint(folder / "mine" / "other.safetensors", 1)
    torch.save(load_file(write_random(folder / "two.safetensors", sd2_shapes())), folder / "two.ckpt")
    (folder / "two.safetensors").unlink()
    studio.collection.look_again()
    return folder


def planned(web, **values):
    answer = web.post("/api/models/make/plan", json=values)
    assert answer.status_code == 200
    return answer.json()


def test_what_would_come_of_it_is_said_beforehand(web, folder):
    whole = planned(web, tool="convert", first="mine/other.safetensors", dtype="fp32")
    assert (whole["name"], whole["folder"], whole["kind"]) == ("other-fp32", "mine", "checkpoint")
    assert whole["file"] == str(folder / "mine" / "other-fp32.safetensors")
    assert whole["size"] == 2 * planned(web, tool="convert", first="toy")["size"] > 10_000_000
    assert whole["free"] > 0 and whole["ema"] is False
    vae = planned(web, tool="extract VAE", first="toy")
    assert (vae["name"], vae["kind"]) == ("vae-toy", "VAE") and vae["file"].endswith("models/VAE/vae-toy.safetensors")
    assert planned(web, tool="convert", first="two")["name"] == "two"


def test_diffusers_folders_are_listed_named_and_made_into_one_file(web, studio, folder):
    told_by_its_width = {"unet": UNet2DConditionModel(**UNET | {"cross_attention_dim": 768})}
    for version in ("1.5", "1.6"):
        written(folder / f"thin-{version}", "StableDiffusionPipeline", parts_of("sd1") | told_by_its_width)
    lame = written(folder / "lame", "StableDiffusionPipeline", {})
    (lame / "unet").mkdir()
    studio.collection.look_again()
    listed = {one["name"]: one for one in web.get("/api/models/kinds/checkpoint").json()["models"]}
    one = listed["thin-1.5"]
    assert (one["format"], one["family"]) == ("folder", "SD 1.x")
    web.post(f"/api/models/{one['id']}", json={"notes": "of this one alone"})
    assert web.get(f"/api/models/{listed['thin-1.6']['id']}").json()["card"]["notes"] == ""
    assert web.get(f"/api/models/{one['id']}").json()["types"] == ["F32"]
    plan = planned(web, tool="convert", first="thin-1.5", dtype="fp16")
    assert plan["file"] == str(folder / "thin-1.5-fp16.safetensors")
    assert planned(web, tool="convert", first="thin-1.5")["name"] == "thin-1.5"
    assert "without a file of its network" in planned(web, tool="convert", first="lame")["message"]
    renamed = web.post(f"/api/models/{one['id']}/rename", json={"name": "slim-2.0"}).json()
    assert (folder / "slim-2.0" / "unet").is_dir() and (folder / "slim-2.0.json").is_file() and renamed["id"]


REFUSED = (
    ({"tool": "merge", "first": "toy", "method": "Weighted sum"}, "Model B is not chosen."),
    ({"tool": "merge", "first": "toy"}, "There is nothing to merge."),
    ({"tool": "merge", "first": "toy", "second": "two", "method": "Weighted sum"}, "toy.safetensors is SD 1.x"),
    ({"tool": "merge", "first": "toy", "vae": "none such"}, "There is no model called 'none such'"),
    ({"tool": "merge", "first": "toy", "ema": "both"}, "A merged model has one set of weights."),
    ({"tool": "convert", "first": "toy", "name": "toy"}, "There is a file toy.safetensors already."),
    ({"tool": "convert", "first": "toy", "name": "../toy"}, "'../toy' cannot be a name."),
    ({"tool": "convert", "first": "toy", "ema": "ema"}, "toy.safetensors has no EMA weights."),
    ({"tool": "convert", "first": "toy", "vae": "toy"}, "Other models only come into a merged one."),
    ({"tool": "convert", "first": "/etc/passwd"}, "There is no model called '/etc/passwd'."),
    ({"tool": "convert", "first": "toy", "dtype": "int8"}, "dtype: "),
    ({"tool": "melt", "first": "toy"}, "tool: "),
)


def test_what_cannot_be_made_is_refused_in_a_sentence(web, folder):
    said = [planned(web, **values)["message"] for values, _ in REFUSED]
    assert [words[: len(expected)] for words, (_, expected) in zip(said, REFUSED, strict=True)] == [
        expected for _, expected in REFUSED
    ]
    assert web.post("/api/models/make/convert", json=REFUSED[5][0]).status_code == 422


def test_a_job_makes_the_file_and_everybody_sees_it(web, studio, folder):
    values = {"first": "toy", "second": "other", "method": "Weighted sum", "multiplier": 1, "name": "both"}
    with studio.watch() as watcher:
        job = web.post("/api/models/make/merge", json=values).json()
        assert (job["tab"], job["total"]) == ("models", 0)
        assert job["work"] == "Merge toy.safetensors + other.safetensors → both"
        assert finished(studio, job["id"]).state == "finished"
        until(lambda: ("models", {"id": ""}) in [(news.kind, news.data) for news in watcher.take()])
    assert "both" in [one["name"] for one in web.get("/api/models/kinds/checkpoint").json()["models"]]
    assert studio.filled({"checkpoint": "both", "prompt": "x"}).checkpoint == "both"
    made, other = load_file(folder / "both.safetensors"), load_file(folder / "mine" / "other.safetensors")
    assert all(made[name].equal(other[name]) for name in other)
    assert web.post(f"/api/jobs/{job['id']}/resubmit").status_code == 422
    (folder / "both.safetensors").unlink()
    again = web.post(f"/api/jobs/{job['id']}/resubmit").json()
    assert finished(studio, again["id"]).state == "finished" and (folder / "both.safetensors").exists()


def test_a_waiting_and_a_running_one_can_be_cancelled(web, studio, engine, folder):
    engine.may_go.clear()
    jobs = [web.post("/api/models/make/convert", json={"first": "toy", "name": name}).json()["id"] for name in "ab"]
    until(lambda: studio.job(jobs[0]).state == "running")
    web.post(f"/api/jobs/{jobs[1]}/cancel")
    web.post(f"/api/jobs/{jobs[0]}/stop")
    assert [finished(studio, job).state for job in jobs] == ["stopped", "cancelled"]
    assert not list(folder.glob("[ab].*"))


def test_what_a_program_that_ended_too_early_had_written_goes_at_the_next_start(tmp_path):
    target = tmp_path / "new.safetensors"
    part_of(target).write_bytes(b"half of it")
    work = {"tool": "convert", "first": "toy", "target": str(target), "name": "new"}
    database = Database(tmp_path / "jobs.sqlite")
    queue = JobQueue(database)
    queue.add(GenerationRequest.checked({"model_work": work}), "models")
    queue.take_next()
    clear_away(queue.recover())
    database.close()
    assert not part_of(target).exists()
