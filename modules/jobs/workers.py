"""Workers run jobs on an engine and say how it goes. `ThreadWorker` has the engine in a thread of this process."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

from ..core import events
from ..core.errors import Stopped
from ..core.pictures import Abilities
from ..core.request import GenerationRequest
from ..core.stop import StopToken
from ..text.words import NO_WORDS, Vocabulary
from .failures import note, sentence

Report = Callable[[events.Event], None]


class Engine(Protocol):
    """What makes pictures. Used by one thread."""

    def abilities(self) -> Abilities: ...

    def levels(self, request: GenerationRequest) -> list[float]:
        """The noise levels that a request would visit. Unlike most, asked from any thread. Raises UserError."""

    def words(self) -> Vocabulary:
        """The embeddings that the loaded checkpoint knows, as far as that was asked. Also from any thread."""

    def load(self, checkpoint: str, vae: str, emit: Report) -> None:
        """Has a checkpoint ready, telling LoadingModel and ModelLoaded. Raises UserError when it cannot."""

    def generate(self, job: str, request: GenerationRequest, emit: Report, stop: StopToken) -> None:
        """Makes the pictures, telling Step, Preview and PictureDone. Raises core.errors.Stopped when interrupted."""

    def close(self) -> None: ...


class Worker(Protocol):
    """Runs one job at a time, in the order given, and reports events: EngineReady once, and for every job submitted
    exactly one of Finished, Stopped, Failed at its end. Failed with job "" is about the engine or a model.
    """

    def start(self, report: Report) -> None:
        """Opens the engine, or tries again when that failed. Returns at once."""

    def load(self, checkpoint: str, vae: str) -> None:
        """Has a checkpoint ready when the jobs before are done. Returns at once."""

    def submit(self, job: str, request: GenerationRequest) -> None:
        """Runs a job after those before. Returns at once."""

    def stop(self, job: str, how: str) -> None:
        """Asks a submitted job to end ("interrupt"), or its present batch ("skip"). One that is over stays so."""

    def watch(self, job: str) -> None:
        """Has the insides of a submitted job told, as Inspected, from its next step on."""

    def levels(self, request: GenerationRequest) -> list[float]:
        """The noise levels that a request would visit; none before the engine is there. Raises UserError."""

    def words(self) -> Vocabulary:
        """The embeddings that prompts may name now; none before the engine is there."""

    def close(self, seconds: float) -> bool:
        """Interrupts what runs and closes the engine. Whether that was done within `seconds`."""


class ThreadWorker:
    """The engine in a thread of this process. `open_engine` is called in that thread, when `start` says so."""

    def __init__(self, open_engine: Callable[[], Engine], log_place: str = "the console") -> None:
        self._open_engine = open_engine
        self._log_place = log_place
        self._orders: queue.SimpleQueue[Callable[[Engine], None] | None] = queue.SimpleQueue()
        self._stops: dict[str, StopToken] = {}
        self._thread: threading.Thread | None = None
        self._closing = False
        self._engine: Engine | None = None

    def start(self, report: Report) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, args=(report,), name="easel-worker", daemon=True)
            self._thread.start()
        self._orders.put(lambda engine: None)

    def load(self, checkpoint: str, vae: str) -> None:
        self._orders.put(lambda engine: self._load(engine, checkpoint, vae))

    def submit(self, job: str, request: GenerationRequest) -> None:
        self._stops[job] = StopToken()
        self._orders.put(lambda engine: self._run(engine, job, request))

    def stop(self, job: str, how: str) -> None:
        token = self._stops.get(job)
        if token is not None:
            (token.skip if how == "skip" else token.interrupt)()

    def watch(self, job: str) -> None:
        token = self._stops.get(job)
        if token is not None:
            token.watch()

    def levels(self, request: GenerationRequest) -> list[float]:
        return self._engine.levels(request) if self._engine else []

    def words(self) -> Vocabulary:
        return self._engine.words() if self._engine else NO_WORDS

    def close(self, seconds: float = 10.0) -> bool:
        self._closing = True
        for token in list(self._stops.values()):
            token.interrupt()
        self._orders.put(None)
        if self._thread is None:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self, report: Report) -> None:
        self._report = report
        engine: Engine | None = None
        while (order := self._orders.get()) is not None:
            engine = engine or self._opened()
            if engine is not None and not self._closing:
                order(engine)
        if engine is not None:
            engine.close()

    def _opened(self) -> Engine | None:
        """The engine; None when it cannot be opened, which is reported. The next order tries again."""
        try:
            engine = self._open_engine()
            abilities = engine.abilities()
        except Exception as error:
            note(error, "The engine could not be opened.")
            self._report(events.Failed("", *sentence(error, None, self._log_place)))
            return None
        self._engine = engine
        self._report(events.EngineReady("", abilities))
        return engine

    def _load(self, engine: Engine, checkpoint: str, vae: str) -> None:
        try:
            engine.load(checkpoint, vae, self._report)
        except Exception as error:
            note(error, "Loading %s failed.", checkpoint)
            self._report(events.Failed("", *sentence(error, None, self._log_place)))

    def _run(self, engine: Engine, job: str, request: GenerationRequest) -> None:
        """One job, whatever happens in it. This is the border at which every exception becomes a sentence."""
        began = time.monotonic()
        end: events.Event
        try:
            engine.generate(job, request, self._report, self._stops[job])
            end = events.Finished(job, time.monotonic() - began)
        except Stopped:
            end = events.Stopped(job)
        except (Exception, SystemExit) as error:  # an extension that exits must not take the thread with it
            note(error, "Job %s failed.", job)
            end = events.Failed(job, *sentence(error, request, self._log_place))
        del self._stops[job]
        self._report(end)
