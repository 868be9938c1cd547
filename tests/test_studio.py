from __future__ import annotations

import json
import threading

import pytest

from modules.core.errors import UserError
from modules.core.hooks import Hooks, hook
from modules.core.params import EXTENSION_PARAMS, Param
from modules.jobs.queue import NotFound
from modules.text.styles import Style
from tests.jobs.painting import PaintingEngine, finished, folders_in, open_studio, studio_in, until
from tests.toy import write_toy_checkpoint


@pytest.fixture
def engine():
    return PaintingEngine()


@pytest.fixture
def studio(tmp_path, engine):
    with open_studio(tmp_path, engine) as opened:
        yield opened


def test_what_was_not_chosen_is_filled_in_from_model_and_settings(studio):
    request = studio.submit({"prompt": "a cat"}).request
    assert (request.width, request.height) == (64, 64)  # the toy's native size
    assert (request.steps, request.cfg_scale, request.sampler) == (4, 5.0, "Euler")  # what its file recommends
    assert (request.checkpoint, request.vae, request.noise_source) == ("toy", "Automatic", "NV")
    assert 0 <= request.seed <= 4294967293


def test_what_was_chosen_stays(studio):
    chosen = {"prompt": "x", "steps": 7, "width": 128, "height": 72, "sampler": "euler A", "seed": 3, "cfg_scale": 1}
    request = studio.submit(chosen).request
    assert request.sampler == "Euler a"
    assert {name: getattr(request, name) for name in chosen if name != "sampler"} == {
        name: value for name, value in chosen.items() if name != "sampler"
    }


def test_every_job_without_a_seed_draws_its_own(studio):
    assert len({studio.submit({}).request.seed for _ in range(5)}) == 5


def test_settings_that_change_pixels_are_copied_into_the_job(tmp_path, engine):
    with open_studio(tmp_path, engine, clip_skip=2, noise_source="CPU") as studio:
        request = studio.submit({}).request
        assert (request.clip_skip, request.noise_source) == (2, "CPU")
        assert studio.submit({"clip_skip": 1}).request.clip_skip == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"steps": 0}, "Steps is 0, but must be at least 1"),
        ({"steps": float("nan")}, "Steps"),
        ({"cfg_scale": float("inf")}, "CFG scale"),
        ({"width": 513}, "multiple of 8"),
        ({"height": "tall"}, "Height"),
        ({"prompt": "a" * 100_000}, "Prompt has 100,000 characters"),
        ({"prompt": "half \ud83d a pair"}, "character 6"),
        ({"checkpoint": "nowhere"}, "no model called 'nowhere'"),
        ({"vae": "nowhere"}, "no model called 'nowhere'"),
        ({"sampler": "Eulr"}, "no sampler called 'Eulr'. Did you mean Euler"),
        ({"schedule": "Karas"}, "no schedule type called 'Karas'. Did you mean Karras"),
        ({"sheduler": "Karras"}, "no parameter called 'sheduler'"),
        ({"scripts": {"x": {"text": "\udc00"}}}, "half of a character pair"),
        ({"extra": {"sparkle": 1}}, "not a parameter of any loaded extension"),
        ({"batch_size": -1}, "Batch size is -1"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_sentence_and_not_queued(studio, values, words):
    with pytest.raises(UserError, match=words):
        studio.submit(values)
    assert studio.jobs() == []


@pytest.mark.parametrize(
    "prompt",
    ["", "((((", "]]]])", "🦊 שלום مرحبا", "<b>bold</b><script>alert(1)</script>", "(x:1e99)", "a\nb\tc", "[a:b:0.5"],
)
def test_odd_prompts_are_made_as_they_are(studio, prompt):
    job = finished(studio, studio.submit({"prompt": prompt}).id)
    assert job.state == "finished"
    assert studio.pictures_of(job)[0].prompt == prompt


def test_jobs_run_in_their_order_and_end_with_their_pictures(studio, engine):
    jobs = [studio.submit({"prompt": str(number), "batch_count": 2, "seed": number}) for number in range(4)]
    done = [finished(studio, job.id) for job in jobs]
    assert engine.made == ["0", "1", "2", "3"]
    assert [job.state for job in done] == ["finished"] * 4
    assert [[one.seed for one in studio.pictures_of(job)] for job in done] == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert all(job.created <= job.started <= job.finished for job in done)


def test_a_finished_job_has_all_its_pictures_on_disk(studio):
    job = finished(studio, studio.submit({"batch_count": 6, "batch_size": 2}).id)
    pictures = studio.pictures_of(job)
    assert [one.index for one in pictures] == list(range(12))
    assert not any(one.missing for one in pictures)


def test_a_waiting_job_can_be_cancelled_and_is_never_made(studio, engine):
    engine.may_go.clear()
    first, second, third = (studio.submit({"prompt": name}) for name in "abc")
    until(lambda: engine.made)
    assert studio.cancel(second.id).state == "cancelled"
    with pytest.raises(UserError, match="runs already"):
        studio.cancel(first.id)
    engine.may_go.set()
    finished(studio, third.id)
    assert engine.made == ["a", "c"]


def test_interrupting_keeps_what_is_done_and_the_next_job_runs(studio, engine):
    engine.seconds = 0.002
    long, short = studio.submit({"batch_count": 1000}), studio.submit({})
    until(lambda: studio.job(long.id).pictures)
    studio.stop()
    stopped = finished(studio, long.id)
    assert stopped.state == "stopped"
    assert 1 <= len(studio.pictures_of(stopped)) < 1000
    assert finished(studio, short.id).state == "finished"


def test_stopping_by_name_cancels_a_job_that_waits(studio, engine):
    engine.may_go.clear()
    running, waiting = studio.submit({}), studio.submit({})
    until(lambda: engine.made)
    studio.stop(waiting.id)
    assert studio.job(waiting.id).state == "cancelled"
    studio.stop(running.id)
    assert finished(studio, running.id).state == "stopped"
    studio.stop(running.id)
    studio.stop()
    assert studio.job(running.id).state == "stopped"


def test_skipping_leaves_out_the_batch_being_made(studio, engine):
    engine.may_go.clear()
    job = studio.submit({"batch_count": 3})
    until(lambda: engine.made)
    studio.stop(how="skip")
    until(lambda: engine.may_go.set() or studio.job(job.id).over)
    assert [one.index for one in studio.pictures_of(studio.job(job.id))] == [1, 2]
    assert studio.job(job.id).state == "finished"
    with pytest.raises(UserError, match="'interrupt' or 'skip'"):
        studio.stop(how="gently")


def test_a_failure_is_the_jobs_sentence_and_the_next_job_works(studio):
    bad, good = studio.submit({"prompt": "huge", "width": 2048, "height": 1024}), studio.submit({"prompt": "fine"})
    failed = finished(studio, bad.id)
    assert (failed.state, failed.message) == ("failed", "There is not enough memory for 2048 x 1024.")
    assert failed.hint == "Try a smaller size."
    assert finished(studio, good.id).state == "finished"


def test_resubmitting_makes_the_same_again_and_clears_the_failure(studio):
    failed = finished(studio, studio.submit({"prompt": "nan", "seed": 8}).id)
    again = studio.resubmit(failed.id)
    assert again.id != failed.id
    assert again.request == failed.request
    assert failed.id not in [job.id for job in studio.jobs()]
    done = finished(studio, studio.submit({"prompt": "fine"}).id)
    studio.resubmit(done.id)
    assert done.id in [job.id for job in studio.jobs()]


def test_jobs_wait_for_the_engine(tmp_path, engine):
    studio = studio_in(tmp_path, engine)
    try:
        job = studio.submit({"prompt": "early"})
        assert studio.engine_state().state == "starting"
        assert studio.abilities() is None
        assert studio.job(job.id).state == "waiting"
        studio.start()
        assert finished(studio, job.id).state == "finished"
        assert studio.abilities().samplers == ("Euler", "Euler a", "DPM++ 2M")
    finally:
        studio.close()


def test_an_engine_that_cannot_be_opened_loses_no_job_and_is_tried_again_with_the_next(tmp_path, engine):
    studio = studio_in(tmp_path, engine)
    broken = threading.Event()
    broken.set()

    def open_engine():
        if broken.is_set():
            raise ImportError("libcuda.so is missing")
        return engine

    studio._dispatcher._worker._open_engine = open_engine  # what `Studio` was given
    try:
        first = studio.submit({})
        studio.start()
        state = until(lambda: (state := studio.engine_state()).state == "failed" and state)
        assert "libcuda.so is missing" in state.message
        assert studio.job(first.id).state == "waiting"
        broken.clear()
        second = studio.submit({})
        assert finished(studio, first.id).state == finished(studio, second.id).state == "finished"
        assert studio.engine_state().state == "ready"
    finally:
        studio.close()


def test_a_model_that_cannot_be_loaded_fails_its_job_only(tmp_path, engine):
    folders_in(tmp_path, ("toy", "broken"))
    with open_studio(tmp_path, engine, checkpoint="toy") as studio:
        bad, good = studio.submit({"checkpoint": "broken"}), studio.submit({"checkpoint": "toy"})
        assert finished(studio, bad.id).message == "broken is truncated."
        assert finished(studio, good.id).state == "finished"
        assert studio.engine_state().state == "ready"
        studio.load("broken")
        state = until(lambda: (state := studio.engine_state()).state == "failed" and state)
        assert (state.message, state.model) == ("broken is truncated.", "toy")
        assert finished(studio, studio.submit({"checkpoint": "toy"}).id).state == "finished"
        assert studio.engine_state().state == "ready"


def test_the_checkpoint_at_the_start_is_the_chosen_else_the_last_used_else_the_first(tmp_path, engine):
    folders_in(tmp_path, ("apple", "pear"))
    with open_studio(tmp_path, engine) as studio:
        assert studio.checkpoint_at_start() == "apple"
        finished(studio, studio.submit({"checkpoint": "pear"}).id)
        assert studio.checkpoint_at_start() == "pear"
        studio.settings.set({"checkpoint": "toy"})
        assert studio.checkpoint_at_start() == "toy"
        studio.settings.set({"checkpoint": "gone"})
        assert studio.checkpoint_at_start() == "pear"


def test_a_chosen_checkpoint_that_is_gone_is_said_and_another_one_is_loaded(tmp_path, engine):
    with open_studio(tmp_path, engine, checkpoint="gone") as studio:
        assert engine.loaded == "toy"
        assert studio.problems() == ["There is no model called 'gone'. toy is loaded instead."]


def test_files_with_the_same_name_are_told_apart_by_their_folder(tmp_path, engine):
    folders = folders_in(tmp_path)
    write_toy_checkpoint(folders.checkpoints[0] / "anime" / "toy.safetensors", seed=1)
    with open_studio(tmp_path, engine) as studio:
        assert {studio.name_of(model) for model in studio.models()} == {"toy.safetensors", "anime/toy.safetensors"}
        assert studio.submit({"checkpoint": "anime/toy.safetensors"}).request.checkpoint == "anime/toy.safetensors"


def test_new_files_appear_after_a_refresh(studio):
    write_toy_checkpoint(studio.folders.checkpoints[0] / "new.safetensors")
    assert [model.name for model in studio.models()] == ["toy"]
    studio.refresh()
    assert [model.name for model in studio.models()] == ["new", "toy"]


def test_without_a_usable_checkpoint_a_sentence_says_what_to_do(tmp_path, engine):
    folders = folders_in(tmp_path, ())
    folders.create()
    studio_with_none = _with_folders(studio_in(tmp_path, engine), "toy")
    try:
        assert studio_with_none.checkpoint_at_start() == ""
        assert studio_with_none.defaults()["width"] == 512
        with pytest.raises(UserError, match="no checkpoint to paint with") as refusal:
            studio_with_none.submit({})
        assert "models" in refusal.value.hint
        (folders.checkpoints[0] / "page.safetensors").write_text("<!DOCTYPE html><html>404</html>")
        studio_with_none.refresh()
        with pytest.raises(UserError, match=r"page\.safetensors"):
            studio_with_none.submit({})
    finally:
        studio_with_none.close()


def _with_folders(studio, *removed: str):
    for name in removed:
        (studio.folders.checkpoints[0] / f"{name}.safetensors").unlink()
    studio.refresh()
    return studio


def test_pasting_takes_over_what_fits_and_says_what_does_not(studio):
    text = (
        "a cat\nNegative prompt: dogs\n"
        "Steps: 30, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 5, Size: 512x768, Model hash: aaaaaaaaaa, "
        "Model: nowhere, Face restoration: GFPGAN, Version: v1.6.0"
    )
    pasted = studio.paste(text)
    assert pasted.values["prompt"] == "a cat"
    assert (pasted.values["sampler"], pasted.values["schedule"]) == ("DPM++ 2M", "Karras")
    assert (pasted.values["width"], pasted.values["height"], pasted.values["steps"]) == (512, 768, 30)
    assert "checkpoint" not in pasted.values
    assert pasted.problems == [
        "The Checkpoint nowhere [aaaaaaaaaa] is not here: the one chosen now stays.",
        "Face restoration: GFPGAN could not be taken over.",
    ]


def test_pasting_finds_the_checkpoint_by_hash_before_its_name(tmp_path, engine):
    from modules.catalog.hashing import HashCache, short_hash

    folders = folders_in(tmp_path, ("toy", "other"))
    folders.create()
    write_toy_checkpoint(folders.checkpoints[0] / "other.safetensors", seed=9)
    hashes = HashCache(folders.data)
    other = short_hash(hashes.sha256(folders.checkpoints[0] / "other.safetensors"))
    hashes.close()
    with open_studio(tmp_path, engine) as studio:
        entries = "Steps: 5, Seed: 1, Size: 64x64"
        assert studio.paste(f"{entries}, Model hash: {other}, Model: toy").values["checkpoint"] == "other"
        assert studio.paste(f"{entries}, Model hash: ffffffffff, Model: toy").values["checkpoint"] == "toy"


def test_a_picture_pasted_back_gives_the_same_request(studio):
    request = {"prompt": "(a:1.2) <b>", "negative_prompt": "x, y", "steps": 9, "seed": 77, "sampler": "Euler a"}
    job = finished(studio, studio.submit(request).id)
    pasted = studio.paste(studio.pictures_of(job)[0].infotext)
    assert pasted.problems == []
    assert studio.filled(pasted.values) == job.request


def test_extensions_may_change_what_is_pasted(tmp_path, engine):
    class Shouter:
        @hook
        def infotext_pasted(self, values):
            values["prompt"] = values["prompt"].upper()

    hooks = Hooks()
    hooks.register(Shouter(), "shouter")
    with open_studio(tmp_path, engine, hooks=hooks) as studio:
        assert studio.paste("a cat\nSteps: 5, Seed: 1, Size: 64x64").values["prompt"] == "A CAT"


def test_styles_are_added_once_when_a_job_is_queued(studio):
    studio.styles.save(Style("ink", "{prompt}, ink", "colour"))
    job = studio.submit({"prompt": "a cat", "styles": ["ink"]})
    assert (job.request.prompt, job.request.negative_prompt, job.request.styles) == ("a cat, ink", "colour", "")
    finished(studio, job.id)
    assert studio.resubmit(job.id).request.prompt == "a cat, ink"
    with pytest.raises(UserError, match="no style called 'wax'"):
        studio.submit({"prompt": "a cat", "styles": ["wax"]})
    assert studio.folders.styles_files[0].exists()


def test_tokens_are_counted(studio):
    assert studio.count_tokens("") == (0, 75, ())
    tokens, room, _ = studio.count_tokens("a cat " * 60)
    assert (tokens, room) == (120, 150)
    assert studio.count_tokens("a glow cat")[0] == 7  # a word that was taught takes as many as it has vectors


def test_two_watchers_hear_of_everything_that_happens_to_a_job(studio, engine):
    with studio.watch() as first, studio.watch() as second:
        job = studio.submit({"prompt": "seen", "batch_count": 2, "steps": 3})
        heard = {first: [], second: []}
        for watcher, news in heard.items():
            until(lambda watcher=watcher, news=news: _over(job.id, news, watcher.wait(0.1)))
    for news in heard.values():
        assert [one.data["index"] for one in news if one.kind == "picture"] == [0, 1]
        assert [one.data["state"] for one in news if one.kind == "job"][-1] == "finished"
        last = [one.data for one in news if one.kind == "progress"][-1]
        assert (last["job"], last["step"], last["steps"], last["fraction"]) == (job.id, 3, 3, 1.0)
        assert [one.data for one in news if one.kind == "preview"][-1]["image"].startswith("data:image/jpeg;base64,")
        json.dumps([one.data for one in news], allow_nan=False)


def _over(job_id: str, heard: list, news: list) -> bool:
    heard += news
    return any(one.kind == "job" and one.data["id"] == job_id and one.data["finished"] for one in heard)


def test_a_watcher_that_never_reads_does_not_slow_the_worker(studio):
    watchers = [studio.watch() for _ in range(30)]
    job = finished(studio, studio.submit({"batch_count": 300, "steps": 1}).id)
    assert job.state == "finished"
    assert all(len(watcher.take()) <= 201 for watcher in watchers)


def test_the_snapshot_shows_the_running_job_as_a_new_page_needs_it(studio, engine):
    done = finished(studio, studio.submit({"prompt": "done"}).id)
    engine.stepped.clear()
    engine.seconds = 0.02
    running, waiting = studio.submit({"batch_count": 100, "steps": 4}), studio.submit({"prompt": "next"})
    engine.stepped.wait(5)
    snapshot = until(lambda: (shown := studio.snapshot())["preview"] and shown)
    assert json.loads(json.dumps(snapshot, allow_nan=False)) == snapshot
    assert snapshot["engine"] == {"state": "ready", "model": "toy", "message": "", "hint": ""}
    assert [(job["id"], job["state"]) for job in snapshot["jobs"]] == [
        (waiting.id, "waiting"),
        (running.id, "running"),
        (done.id, "finished"),
    ]
    assert snapshot["progress"]["job"] == snapshot["preview"]["job"] == running.id
    assert snapshot["jobs"][2]["pictures"][0]["url"].startswith("/pictures/")
    studio.stop(running.id)
    finished(studio, waiting.id)
    assert studio.snapshot()["progress"] is None


def test_old_jobs_that_still_wait_are_in_the_snapshot_behind_many_newer_ones(studio, engine):
    engine.may_go.clear()
    ids = [studio.submit({}).id for _ in range(60)]
    until(lambda: engine.made)
    assert [job["id"] for job in studio.snapshot()["jobs"]] == ids[::-1]
    for job_id in ids[1:]:
        studio.cancel(job_id)


def test_a_job_whose_extension_went_away_while_it_waited_fails_with_a_sentence(tmp_path, engine):
    studio = studio_in(tmp_path, engine)
    EXTENSION_PARAMS.add(Param("sparkle", 0.0, "Sparkle", type=float, owner="test"))
    try:
        lost = studio.submit({"extra": {"sparkle": 0.5}})
    finally:
        EXTENSION_PARAMS.remove("sparkle")
    try:
        good = studio.submit({})
        studio.start()
        assert finished(studio, good.id).state == "finished"
        assert studio.job(lost.id).state == "failed"
        assert "'sparkle' is not a parameter of any loaded extension" in studio.job(lost.id).message
    finally:
        studio.close()


def test_an_extension_that_fails_is_named_to_those_who_watch(tmp_path, engine):
    class Broken:
        @hook
        def saved(self):
            raise ValueError("no")

    hooks = Hooks()
    hooks.register(Broken(), "broken")
    with open_studio(tmp_path, engine, hooks=hooks) as studio, studio.watch() as watcher:
        finished(studio, studio.submit({}).id)
        heard = []
        until(lambda: heard.extend(watcher.take()) or [one for one in heard if one.kind == "problem"])
        sentence = "The extension broken failed at saved: ValueError: no"
        assert [one.data for one in heard if one.kind == "problem"] == [{"message": sentence}]
        assert studio.problems() == [sentence]


def test_a_full_disk_fails_the_job_and_tells_where_the_picture_went(tmp_path, engine):
    with open_studio(tmp_path, engine, outdir_txt2img_samples=str(tmp_path / "occupied")) as studio:
        (tmp_path / "occupied").write_text("not a folder")
        failed = finished(studio, studio.submit({"batch_count": 500}).id)
        assert failed.state == "failed"
        assert "It was saved as" in failed.message
        assert 1 <= len(studio.pictures_of(failed)) < 500
        assert not studio.pictures_of(failed)[0].missing


def test_a_second_studio_on_the_same_folder_is_refused(studio, tmp_path, engine):
    with pytest.raises(UserError, match="already runs on the folder"):
        studio_in(tmp_path, engine)


def test_thumbnails_are_small_kept_and_missing_with_their_picture(studio):
    from PIL import Image

    job = finished(studio, studio.submit({"width": 1024, "height": 512}).id)
    (record,) = studio.pictures_of(job)
    path = studio.thumbnail(record)
    with Image.open(path) as image:
        assert image.size == (320, 160)
    written = path.stat().st_mtime_ns
    assert studio.thumbnail(record).stat().st_mtime_ns == written
    path.unlink()
    record.path.unlink()
    with pytest.raises(NotFound, match="no longer there"):
        studio.thumbnail(record)
