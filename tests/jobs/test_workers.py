"""What every worker promises; a new kind of worker is one more subclass of `WorkerTests`."""

from __future__ import annotations

import queue
import threading

import pytest

from modules.core import events
from modules.core.request import GenerationRequest
from modules.jobs.workers import ThreadWorker, Worker
from tests.jobs.painting import PaintingEngine


class Listener:
    """Collects what a worker reports."""

    def __init__(self) -> None:
        self.heard: queue.Queue[events.Event] = queue.Queue()

    def until(self, kind: type, job: str | None = None) -> list[events.Event]:
        """All events up to the first of this kind (and job)."""
        seen = []
        while True:
            event = self.heard.get(timeout=10)
            seen.append(event)
            if isinstance(event, kind) and job in (None, event.job):
                return seen


def request(prompt: str = "a cat", **values: object) -> GenerationRequest:
    filled = {"width": 64, "height": 64, "steps": 3, "seed": 1, "checkpoint": "toy", **values}
    return GenerationRequest.checked({"prompt": prompt, **filled})


class WorkerTests:
    def worker(self, engine: PaintingEngine) -> Worker:
        raise NotImplementedError

    @pytest.fixture
    def engine(self):
        return PaintingEngine()

    @pytest.fixture
    def listener(self):
        return Listener()

    @pytest.fixture
    def running(self, engine, listener):
        worker = self.worker(engine)
        worker.start(listener.heard.put)
        listener.until(events.EngineReady)
        yield worker
        engine.may_go.set()
        assert worker.close(10)

    def test_a_job_says_what_it_does_in_order(self, running, listener):
        running.submit("a", request())
        heard = [type(event) for event in listener.until(events.Finished, "a")]
        assert heard[:2] == [events.LoadingModel, events.ModelLoaded]
        assert heard[2:] == [events.Step, events.Preview] * 3 + [events.PictureDone, events.Finished]

    def test_jobs_run_one_after_another_in_their_order(self, running, listener, engine):
        for name in "abc":
            running.submit(name, request(name))
        ended = [event.job for event in listener.until(events.Finished, "c") if isinstance(event, events.Finished)]
        assert ended == ["a", "b", "c"]
        assert engine.made == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("prompt", "message", "hint"),
        [
            ("boom", "Something unexpected went wrong: RuntimeError: the device caught fire", "console"),
            ("huge", "There is not enough memory for 64 x 64 in batches of 2.", "smaller size or batch"),
            ("memory", "There is not enough memory for 64 x 64 in batches of 2.", "smaller size or batch"),
            ("exit", "Something unexpected went wrong: SystemExit: 3", "console"),
            ("nan", "The picture came out as NaN.", "Use another VAE."),
        ],
    )
    def test_a_failure_is_one_sentence_and_the_next_job_works(self, running, listener, prompt, message, hint):
        running.submit("bad", request(prompt, batch_size=2))
        running.submit("good", request())
        failed = listener.until(events.Failed, "bad")[-1]
        assert failed.message == message
        assert hint in failed.hint
        listener.until(events.Finished, "good")

    def test_an_interrupted_job_keeps_what_is_done_and_the_next_one_works(self, running, listener, engine):
        running.submit("a", request(batch_count=50))
        listener.until(events.PictureDone, "a")
        running.stop("a", "interrupt")
        running.submit("b", request())
        assert not any(isinstance(event, events.Failed) for event in listener.until(events.Stopped, "a"))
        listener.until(events.Finished, "b")

    def test_a_job_stopped_before_its_turn_makes_nothing(self, running, listener, engine):
        engine.may_go.clear()
        running.submit("a", request())
        running.submit("b", request("never"))
        running.stop("b", "interrupt")
        engine.may_go.set()
        listener.until(events.Finished, "a")
        assert not any(isinstance(event, events.PictureDone) for event in listener.until(events.Stopped, "b"))

    def test_skipping_leaves_out_one_batch(self, running, listener, engine):
        engine.may_go.clear()
        running.submit("a", request(batch_count=3))
        listener.until(events.ModelLoaded)
        running.stop("a", "skip")
        threading.Timer(0.05, engine.may_go.set).start()
        made = [
            one.picture.index for one in listener.until(events.Finished, "a") if isinstance(one, events.PictureDone)
        ]
        assert made == [1, 2]

    def test_stopping_a_job_that_is_over_does_nothing(self, running, listener):
        running.submit("a", request())
        listener.until(events.Finished, "a")
        running.stop("a", "interrupt")
        running.submit("b", request())
        listener.until(events.Finished, "b")

    def test_a_model_is_loaded_when_asked_for(self, running, listener):
        running.load("other", "Automatic")
        assert [type(one) for one in listener.until(events.ModelLoaded)] == [events.LoadingModel, events.ModelLoaded]

    def test_a_model_that_cannot_be_loaded_is_told_and_does_not_end_the_worker(self, running, listener):
        running.load("broken", "Automatic")
        assert listener.until(events.Failed)[-1].message == "broken is truncated."
        running.submit("a", request())
        listener.until(events.Finished, "a")

    def test_closing_interrupts_what_runs_and_closes_the_engine(self, engine, listener):
        worker = self.worker(engine)
        worker.start(listener.heard.put)
        engine.may_go.clear()
        worker.submit("a", request())
        listener.until(events.ModelLoaded)
        assert worker.close(10)
        listener.until(events.Stopped, "a")
        assert engine.closed


class TestThreadWorker(WorkerTests):
    def worker(self, engine: PaintingEngine) -> Worker:
        return ThreadWorker(lambda: engine)

    def test_an_engine_that_cannot_be_opened_is_tried_again_when_asked(self, engine, listener):
        tries = []

        def open_engine() -> PaintingEngine:
            tries.append(1)
            if len(tries) == 1:
                raise ImportError("libcuda.so is missing")
            return engine

        worker = ThreadWorker(open_engine)
        worker.start(listener.heard.put)
        assert "ImportError: libcuda.so is missing" in listener.until(events.Failed)[-1].message
        worker.start(listener.heard.put)
        listener.until(events.EngineReady)
        worker.submit("a", request())
        listener.until(events.Finished, "a")
        assert worker.close(10)
        assert len(tries) == 2

    def test_a_worker_that_was_never_started_can_be_closed(self, engine):
        assert ThreadWorker(lambda: engine).close(1)
