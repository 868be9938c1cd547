"""`Studio`: everything the page and the API can do, as plain calls, safe from any thread. None waits for the device."""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic_core import PydanticSerializationError

from .catalog.scan import ModelFile
from .core import infotext
from .core.errors import UserError
from .core.files import Folders
from .core.hooks import Hooks
from .core.pictures import Abilities
from .core.registry import SAMPLERS, SCHEDULES, Registry
from .core.request import LARGEST_SEED, PARAMS, GenerationRequest
from .core.settings import Settings
from .jobs.bus import Bus, Watcher
from .jobs.database import Database
from .jobs.dispatcher import Dispatcher, EngineState
from .jobs.history import History, PictureRecord
from .jobs.models import Models
from .jobs.queue import Job, JobQueue
from .jobs.saver import Saver
from .jobs.wire import jobs_json
from .jobs.workers import Engine, ThreadWorker
from .text.chunks import count

OLD_SCHEDULES = (
    "Karras",
    "Exponential",
)  # what old pictures append to a sampler's name; the engine may not be there yet


@dataclass(frozen=True)
class PastedSettings:
    """Request fields read from a picture's text, and sentences about what could not be taken over."""

    values: dict[str, Any]
    problems: list[str] = field(default_factory=list)


class Studio:
    """One data folder, one queue, one engine. Raises UserError when the folder is in use or cannot be written."""

    def __init__(
        self,
        folders: Folders,
        settings: Settings,
        hooks: Hooks,
        open_engine: Callable[[], Engine],
        log_place: str = "the console",
    ) -> None:
        """`open_engine` is called in the worker's thread, once `start` says so; `log_place` is where tracebacks go."""
        self.folders, self.settings, self.hooks = folders, settings, hooks
        folders.create()
        self._database = Database(folders.database)
        self._queue = JobQueue(self._database)
        self._history = History(self._database, folders.outputs)
        self._bus = Bus()
        self._models = Models(folders)
        saver = Saver(folders, settings, hooks, self._history, log_place)
        worker = ThreadWorker(open_engine, log_place)
        self._dispatcher = Dispatcher(self._queue, self._history, worker, saver, self._bus, self.problems)
        self._queue.recover()

    def start(self, load: str | None = None) -> None:
        """Opens the engine, has it load a checkpoint (None: `checkpoint_at_start`, "": none), and runs what waits."""
        self._dispatcher.start()
        wanted = self.checkpoint_at_start() if load is None else load
        if wanted:
            self._dispatcher.load(wanted, PARAMS["vae"].default)

    def close(self, seconds: float = 10.0) -> None:
        """Ends what runs, saves what is made, lets go of the data folder. Waiting jobs wait for the next start."""
        self._bus.close()
        self._dispatcher.close(seconds)
        self._database.close()
        self._models.close()

    def submit(self, values: Mapping[str, Any], tab: str = "txt2img", owner: str = "") -> Job:
        """Queues a generation; `values` are request fields, and what is absent is filled in. Raises UserError."""
        return self._dispatcher.submit(self.filled(values), tab, owner)

    def filled(self, values: Mapping[str, Any]) -> GenerationRequest:
        """The complete request that `submit` queues: checkpoint found, defaults taken, seed drawn, names checked."""
        request = GenerationRequest.checked(values)
        checkpoint = self._wanted(request.checkpoint)
        request = request.filled(self._defaults_of(checkpoint))
        chosen: dict[str, Any] = {
            "checkpoint": self._models.name_of(checkpoint),
            "vae": self._models.vae(request.vae),
        }
        if request.seed == -1:
            chosen["seed"] = random.randrange(LARGEST_SEED)
        abilities = self._dispatcher.abilities
        if abilities is not None:
            chosen["sampler"] = _known(request.sampler, abilities.samplers, SAMPLERS)
            chosen["schedule"] = _known(request.schedule, abilities.schedules, SCHEDULES)
        return _storable(GenerationRequest.checked({**request.model_dump(), **chosen}))

    def stop(self, job_id: str | None = None, how: str = "interrupt") -> None:
        """Ends a job, keeping what is done (None: the one that runs); `how` "skip" ends only the batch being made."""
        if how not in ("interrupt", "skip"):
            raise UserError(f"A job is stopped by 'interrupt' or 'skip', not {how!r}.")
        self._dispatcher.stop(job_id, how)

    def cancel(self, job_id: str) -> Job:
        """Takes a waiting job out of the queue. Raises NotFound, or UserError when it runs already."""
        return self._dispatcher.cancel(job_id)

    def resubmit(self, job_id: str) -> Job:
        """Queues the same request again, seed included; an interrupted or failed original leaves the lists."""
        old = self._queue.get(job_id)
        new = self.submit(old.request.model_dump(exclude_unset=True), old.tab, old.owner)
        if old.state in ("interrupted", "failed", "cancelled"):
            self.dismiss(job_id)
        return new

    def dismiss(self, job_id: str) -> Job:
        """Takes a job that is over off the lists. It stays in the history."""
        return self._dispatcher.tell(self._queue.dismiss(job_id))

    def jobs(self, limit: int = 50) -> list[Job]:
        """The newest jobs first, dismissed ones left out."""
        return self._queue.newest(limit)

    def job(self, job_id: str) -> Job:
        """Raises NotFound."""
        return self._queue.get(job_id)

    def pictures(self, before: int | None = None, limit: int = 50, search: str = "") -> list[PictureRecord]:
        """The history, newest first: ids below `before`, with all words of `search` in their prompts."""
        return self._history.newest(before, limit, search)

    def pictures_of(self, job: Job) -> list[PictureRecord]:
        return self._history.many(job.pictures)

    def picture(self, picture: int) -> PictureRecord:
        """Raises NotFound."""
        return self._history.get(picture)

    def models(self) -> list[ModelFile]:
        """The checkpoints there are, unusable ones with their problem."""
        return self._models.checkpoints()

    def vaes(self) -> list[ModelFile]:
        return self._models.vaes()

    def name_of(self, model: ModelFile) -> str:
        """What a request calls this file: its name, or its path below the models folder where two share the name."""
        return self._models.name_of(model)

    def refresh(self) -> None:
        """Looks at the model folders anew."""
        self._models.refresh()

    def load(self, checkpoint: str, vae: str = "Automatic") -> None:
        """Asks the engine to have a checkpoint ready, after the job that runs. Raises UserError when there is none."""
        self._dispatcher.load(self._models.name_of(self._wanted(checkpoint)), self._models.vae(vae))

    def abilities(self) -> Abilities | None:
        """What the engine can do; None until it is ready."""
        return self._dispatcher.abilities

    def engine_state(self) -> EngineState:
        return self._dispatcher.engine

    def defaults(self, checkpoint: str = "") -> dict[str, Any]:
        """What a new picture's fields start with, for this checkpoint ("": the one that would be used)."""
        try:
            model = self._wanted(checkpoint)
        except UserError:  # an empty models folder, or only files that cannot be used: the page still opens
            model = None
        return {name: declared.default for name, declared in PARAMS.items()} | self._defaults_of(model)

    def checkpoint_at_start(self) -> str:
        """The setting's checkpoint if it is there, else the last one used, else the first; "" when there is none."""
        last = self._queue.newest(1)
        return self._models.first(self.settings["checkpoint"], last[0].request.checkpoint if last else "")

    def paste(self, text: str) -> PastedSettings:
        """The settings in a picture's text, ready for the page: the checkpoint found by its hash, else by its name."""
        abilities = self._dispatcher.abilities
        pasted = infotext.read(text, abilities.schedules if abilities else OLD_SCHEDULES)
        values, problems = dict(pasted.values), []
        self._models.refresh()  # hashes become known while the program runs
        for kind, (name, short_hash), files in (
            ("checkpoint", pasted.model, self.models()),
            ("vae", pasted.vae, self.vaes()),
        ):
            found = self._models.pasted(files, name, short_hash)
            if found:
                values[kind] = found
            elif name or short_hash:
                what = f"{name} [{short_hash}]" if short_hash else name
                problems.append(f"The {PARAMS[kind].label} {what} is not here: the one chosen now stays.")
        problems += [f"{key}: {value[:200]} could not be taken over." for key, value in pasted.unknown.items()]
        self.hooks.call("infotext_pasted", text=text, values=values)
        return PastedSettings(values, problems)

    def count_tokens(self, text: str) -> tuple[int, int]:
        """Tokens of a prompt, and the room that its chunks have."""
        return count(text)

    def problems(self) -> list[str]:
        """Sentences about what went wrong beside the jobs since the start: history, settings file, extensions."""
        failed = [f"The extension {one.extension} failed at {one.moment}: {one.message}" for one in self.hooks.problems]
        return [*self._database.problems, *self.settings.problems, *failed]

    def snapshot(self) -> dict[str, Any]:
        """All that a page needs to show how things stand, JSON-able. `jobs`: the newest first, unfinished ones all."""
        newest = self.jobs()
        listed = {job.id for job in newest}
        older = [job for job in reversed(self._queue.unfinished()) if job.id not in listed]
        progress, preview = self._dispatcher.status()
        return {
            "engine": asdict(self.engine_state()),
            "jobs": jobs_json([*newest, *older], self._history),
            "progress": progress,
            "preview": preview,
            "problems": self.problems(),
        }

    def jobs_json(self, jobs: list[Job]) -> list[dict[str, Any]]:
        """Jobs as in the snapshot."""
        return jobs_json(jobs, self._history)

    def watch(self, wake: Callable[[], None] = lambda: None) -> Watcher:
        """A mailbox of news from now on; look at `snapshot` after opening it. `wake`: see `Watcher`."""
        return self._bus.watch(wake)

    def disconnect(self) -> None:
        """Ends all watching, for good: the first step of closing, so that open event streams come to their end."""
        self._bus.close()

    def _wanted(self, checkpoint: str) -> ModelFile:
        """The usable checkpoint that is meant; "" means the loaded one, else the one for the start."""
        return self._models.checkpoint(checkpoint or self.engine_state().model or self.checkpoint_at_start())

    def _defaults_of(self, model: ModelFile | None) -> dict[str, Any]:
        """The defaults of request fields that differ from the fields' own: the model's, then the settings'."""
        if model is None:
            return self.settings.pixels()
        size = {"width": model.native_size, "height": model.native_size} if model.native_size else {}
        recommended = model.declared.recommended.model_dump(exclude_none=True)
        return {**size, **recommended, **self.settings.pixels(), "checkpoint": self._models.name_of(model)}


def _known(name: str, names: tuple[str, ...], registry: Registry) -> str:
    """The name as the engine spells it. Raises UserError, with the nearest names, when it has none such."""
    for known in names:
        if known.casefold() == name.strip().casefold():
            return known
    if name in registry:
        return registry.get(name).name
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names)}."
    raise UserError(f"There is no {registry.kind} called {name[:60]!r}.", hint=hint)


def _storable(request: GenerationRequest) -> GenerationRequest:
    """The request, if it can be written down. Raises UserError for text that is none, anywhere in it."""
    try:
        request.model_dump_json()
    except (PydanticSerializationError, UnicodeEncodeError) as error:
        raise UserError("The request contains text that cannot be stored: half of a character pair.") from error
    return request
