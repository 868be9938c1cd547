"""Takes jobs from the queue to the worker, one at a time, and tells everybody what becomes of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..core import events
from ..core.errors import UserError
from ..core.pictures import Abilities
from ..core.request import GenerationRequest
from ..text.words import Vocabulary
from .bus import Bus
from .history import History, PictureRecord
from .inspections import Inspections
from .progress import Progress
from .queue import CANCELLED, FAILED, FINISHED, INTERRUPTED, STOPPED, WAITING, Job, JobQueue
from .saver import Saver
from .wire import jobs_json, picture_json, preview_json
from .workers import Worker

log = logging.getLogger("easel.jobs")

STARTING, LOADING, READY, BROKEN = "starting", "loading", "ready", "failed"


@dataclass(frozen=True)
class EngineState:
    """`state`: starting (the engine is being opened), loading (`model` is being read), ready, or failed (`message` says
    why). `model` is what is, or will be, in memory.
    """

    state: str = STARTING
    model: str = ""
    message: str = ""
    hint: str = ""


@dataclass
class Running:
    """The job on the device."""

    job: Job
    progress: Progress = field(default_factory=Progress)
    preview: events.Preview | None = None


class Dispatcher:
    """Between queue, worker, saver and bus. Its methods may be called from any thread; none waits for the device."""

    def __init__(
        self,
        queue: JobQueue,
        history: History,
        worker: Worker,
        saver: Saver,
        inspections: Inspections,
        bus: Bus,
        problems: Callable[[], list[str]] = list,
        model_made: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue, self._history, self._worker, self._saver, self._bus = queue, history, worker, saver, bus
        self._inspections = inspections
        self._problems, self._problems_told = problems, 0
        self._model_made = model_made
        self._now = now
        self._lock = threading.RLock()
        self._running: Running | None = None
        self._unsaved: dict[str, tuple[str, str]] = {}
        self._ends: list[tuple[str, str, str, str]] = []
        self._loaded = ""
        self._closing = False
        self.abilities: Abilities | None = None
        self.engine = EngineState()

    def start(self) -> None:
        """Opens the engine. Jobs that wait are run as soon as it is ready."""
        self._saver.start(self._picture_saved, self._saving_failed)
        self._open_engine()

    def load(self, checkpoint: str, vae: str) -> None:
        self._worker.load(checkpoint, vae)

    def levels(self, request: GenerationRequest) -> list[float]:
        """The noise levels that a request would visit; none before the engine is there. Raises UserError."""
        return self._worker.levels(request)

    def words(self) -> Vocabulary:
        """The embeddings that prompts may name now; none before the engine is there."""
        return self._worker.words()

    def watch(self, job_id: str) -> None:
        """Has the steps of a job told from now on, if it runs."""
        self._worker.watch(job_id)

    def submit(self, request: GenerationRequest, tab: str, owner: str) -> Job:
        """Queues a job. An engine that could not be opened is tried once more for it."""
        job = self._queue.add(request, tab, owner)
        self.tell(job)
        with self._lock:
            if self.abilities is None and self.engine.state == BROKEN:
                self._open_engine()
        self._run_next()
        return job

    def stop(self, job_id: str | None, how: str) -> None:
        """Interrupts the job that runs (None), or this one; a waiting one is cancelled; one that is over
        stays as it is. `how` "skip" ends only the batch being made.
        """
        with self._lock:
            running = self._running.job.id if self._running else None
            if job_id is None or job_id == running:
                if running is not None:
                    self._worker.stop(running, how)
                return
        if self._queue.get(job_id).state == WAITING and how == "interrupt":
            self.cancel(job_id)

    def cancel(self, job_id: str) -> Job:
        """Takes a waiting job out of the queue. Raises UserError when it runs already."""
        job = self._queue.end(job_id, CANCELLED, only_from=WAITING)
        if job.state == "running":
            raise UserError("The job runs already.", hint="Interrupt it instead.")
        return self.tell(job)

    def close(self, seconds: float = 10.0) -> None:
        """Ends what runs (it will be shown as interrupted) and saves what is made; waiting jobs stay in the queue."""
        with self._lock:
            self._closing = True
        if not self._worker.close(seconds):
            log.warning("The engine did not stop within %g seconds.", seconds)
        self._saver.close(seconds)

    def status(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Progress and newest preview of the job that runs, as JSON."""
        with self._lock:
            running = self._running
            if running is None:
                return None, None
            preview = running.preview and preview_json(running.preview)
            return running.progress.told(self._now()), preview

    def tell(self, job: Job) -> Job:
        self._bus.tell("job", jobs_json([job], self._history)[0], about=job.id)
        return job

    def hear(self, event: events.Event) -> None:
        """What the worker says, in its thread, which must survive whatever happens here."""
        try:
            self._heard(event)
        except Exception as error:
            log.exception("News of job %s could not be handled.", event.job or "(none)")
            self._bus.tell("problem", {"message": str(error)})

    def _heard(self, event: events.Event) -> None:
        if isinstance(event, events.Step):
            self._step_done(event)
        elif isinstance(event, events.Preview):
            self._preview_made(event)
        elif isinstance(event, events.PictureDone):
            if self._running is not None and not self._running.job.request.inspect_only:
                self._saver.save(self._running.job, event.picture)
        elif isinstance(event, events.Inspected):
            self._saver.after_pictures(lambda: self._keep_inside(event))
        elif isinstance(event, events.Noticed):
            self._bus.tell("problem", {"message": event.message, "job": event.job})
        elif isinstance(event, events.ModelMade):
            self._model_made()
        elif isinstance(event, events.EngineReady):
            self._engine_ready(event)
        elif isinstance(event, events.LoadingModel):
            self._show_engine(EngineState(LOADING, event.model))
        elif isinstance(event, events.ModelLoaded):
            self._loaded = event.model
            self._show_engine(EngineState(READY, event.model))
        elif isinstance(event, events.Failed) and not event.job:
            self._show_engine(EngineState(BROKEN, self._loaded, event.message, event.hint))
        elif isinstance(event, (events.Finished, events.Stopped, events.Failed)):
            self._work_done(event)

    def _open_engine(self) -> None:
        self._show_engine(EngineState())
        self._worker.start(self.hear)

    def _engine_ready(self, event: events.EngineReady) -> None:
        self.abilities = event.abilities
        self._show_engine(EngineState(READY, self._loaded))
        self._run_next()

    def _step_done(self, step: events.Step) -> None:
        with self._lock:
            running = self._running
            if running is None or running.job.id != step.job:
                return
            running.progress.done(step, self._now())
            told = running.progress.told(self._now())
        if self.engine.state != READY:
            self._show_engine(EngineState(READY, self._loaded))
        self._bus.tell("progress", told)

    def _preview_made(self, preview: events.Preview) -> None:
        with self._lock:
            running = self._running
            if running is None or running.job.id != preview.job:
                return
            running.preview = preview
        if self._bus.watched:
            self._bus.tell("preview", preview_json(preview))

    def _keep_inside(self, seen: events.Inspected) -> None:
        """Stores and tells what was seen inside a job, in the saver's thread. A full disk does not end the job."""
        try:
            facts = self._inspections.keep(seen)
        except UserError as error:
            self._bus.tell("problem", {"message": str(error), "job": seen.job})
            return
        self._bus.tell("inspected", {"job": seen.job, "facts": facts}, about=f"{seen.job} {seen.picture} {seen.step}")

    def _run_next(self) -> None:
        """Gives the worker the job that has waited longest, if the worker is free."""
        with self._lock:
            while self._running is None and self.abilities is not None and not self._closing:
                job = self._queue.take_next()
                if job is None:
                    return
                try:
                    request = GenerationRequest.checked(job.request.model_dump(exclude_unset=True))
                except UserError as error:  # it waited while the extension that declared its parameters went away
                    self.tell(self._queue.end(job.id, FAILED, error.message, error.hint))
                    continue
                self._running = Running(job)
                self.tell(job)
                self._worker.submit(job.id, request)

    def _work_done(self, end: events.Finished | events.Stopped | events.Failed) -> None:
        """The device is free. The job is over once its last picture is saved; the next one need not wait for that."""
        with self._lock:
            self._running = None
            stopped = INTERRUPTED if self._closing else STOPPED
        if self.engine.state == LOADING:
            self._show_engine(EngineState(READY, self._loaded))
        if isinstance(end, events.Failed):
            state, message, hint = FAILED, end.message, end.hint
        else:
            state, message, hint = (FINISHED if isinstance(end, events.Finished) else stopped), "", ""
        self._saver.after_pictures(lambda: self._job_over(end.job, state, message, hint))
        self._run_next()

    def _job_over(self, job_id: str, state: str, message: str, hint: str) -> None:
        """Notes and tells how a job ended, in the saver's thread. A full disk may refuse even this note: the page
        learns of the end all the same, and the note is made with the next one.
        """
        unsaved = self._unsaved.pop(job_id, None)
        if unsaved is not None:
            state, (message, hint) = FAILED, unsaved
        self._ends.append((job_id, state, message, hint))
        try:
            while self._ends:
                job = self._queue.end(*self._ends[0])
                only_seen = job.request.inspect_only and job.state in (FINISHED, STOPPED)
                self.tell(self._queue.dismiss(job.id) if only_seen else job)
                del self._ends[0]
        except UserError as error:
            log.error("The end of job %s could not be stored: %s", job_id, error)
            self.tell(replace(self._queue.get(job_id), state=state, message=message, hint=hint))
        self._tell_problems()

    def _tell_problems(self) -> None:
        problems = self._problems()
        for problem in problems[self._problems_told :]:
            self._bus.tell("problem", {"message": problem}, about=problem)
        self._problems_told = len(problems)

    def _picture_saved(self, record: PictureRecord) -> None:
        self._bus.tell("picture", picture_json(record), about=str(record.id))

    def _saving_failed(self, job_id: str, message: str, hint: str) -> None:
        """A picture could not be put where it belongs: making more of them would not help."""
        self._unsaved.setdefault(job_id, (message, hint))
        self._worker.stop(job_id, "interrupt")

    def _show_engine(self, state: EngineState) -> None:
        self.engine = replace(state)
        self._bus.tell("engine", asdict(state))
