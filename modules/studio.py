"""`Studio`: everything the page and the API can do, as plain calls, safe from any thread. None waits for the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .catalog.scan import ModelFile
from .core.errors import UserError
from .core.files import Folders
from .core.hooks import Hooks
from .core.params import EXTRAS
from .core.pictures import Abilities
from .core.request import PARAMS, GenerationRequest
from .core.scripts import prepared
from .core.sections.sampler import SamplerOptions
from .core.settings import Settings
from .jobs.bus import Bus, Watcher
from .jobs.collection import Collection
from .jobs.database import Database
from .jobs.desk import InputDesk
from .jobs.dispatcher import Dispatcher, EngineState
from .jobs.downloads.downloads import Downloads
from .jobs.downloads.hops import KEY_SETTINGS
from .jobs.extras import extras_request
from .jobs.filling import filled, recommended, short_text
from .jobs.history import History, PictureRecord
from .jobs.inputs import InputPictures
from .jobs.inspection_desk import InspectionDesk
from .jobs.inspections import Inspections
from .jobs.library import Library
from .jobs.model_work import Order, clear_away, ordered, work_request
from .jobs.models import Models
from .jobs.pasting import PastedSettings, pasted_settings
from .jobs.queue import Job, JobQueue
from .jobs.reproducing import Reproduction, reproduction, request_behind
from .jobs.resuming import resumed
from .jobs.reveal import show_in_folder
from .jobs.saver import Saver, last_settings
from .jobs.starting import started
from .jobs.thumbnails import kept_thumbnail
from .jobs.wire import jobs_json
from .jobs.workers import Engine, ThreadWorker
from .text.found_styles import take_out_styles
from .text.prompt import count, remarks_of
from .text.styles import Styles, styled, with_styles

# The request fields that shape a schedule.
SCHEDULING = ("steps", "sampler", "schedule", *SamplerOptions.model_fields)


class Studio:
    """One data folder, one queue, one engine. Raises UserError when the folder is in use or cannot be written.

    `library` is the history as a collection: searching, stars, the trash, folders indexed in place. `collection` is
    the models: what each is, its card, its preview; `downloads` fetches more. `inputs` is what people
    bring to paint on, `inspections` what is seen inside of paintings.
    """

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
        self._notes = list(self._database.problems)
        self._bus = Bus()
        self._thumbnails = folders.data / "thumbnails"
        self.library = Library.told(self._database, self._history, folders.outputs, self._thumbnails, self._bus)
        self._models = Models(folders)
        self.collection = Collection(folders, self._models_changed)
        self.downloads = Downloads(folders, self._keys, self._download_told, self.collection.look_again)
        self._inputs = InputPictures(folders.inputs)
        self.inputs = InputDesk(self._inputs, self._history, hooks, self._database)
        self.styles = Styles(folders.styles_files)
        saver = Saver(folders, settings, hooks, self._history, log_place)
        worker = ThreadWorker(open_engine, log_place)
        seen, look_again = Inspections(folders.inspections), self.collection.look_again
        self._dispatcher = Dispatcher(
            self._queue, self._history, worker, saver, seen, self._bus, self.problems, look_again
        )
        self.inspections = InspectionDesk(
            seen,
            self._history,
            self._queue,
            self._dispatcher,
            fill=self.filled,
            reproduced=lambda picture: self._reproduction(picture=picture),
            styled=lambda request: with_styles(request, self.styles),
        )
        clear_away(self._queue.recover())

    def start(self, load: str | None = None) -> None:
        """Opens the engine, has it load a checkpoint (None: `checkpoint_at_start`, "": none), and runs what waits."""
        self._dispatcher.start()
        wanted = self._checkpoint_to_load() if load is None else load
        if wanted:
            self._dispatcher.load(wanted, PARAMS["vae"].default)

    def close(self, seconds: float = 10.0) -> None:
        """Ends what runs, saves what is made, lets go of the data folder. Waiting jobs wait for the next start."""
        self._bus.close()
        self.library.index.close(seconds)
        self.inputs.close(seconds)
        self._dispatcher.close(seconds)
        self._database.close()
        self.downloads.close()
        self.collection.close()
        self._models.close()

    def submit(self, values: Mapping[str, Any], tab: str = "txt2img", owner: str = "") -> Job:
        """Queues a generation; `values` are request fields, and what is absent is filled in. Raises UserError."""
        names = short_text("tab", tab), short_text("owner", owner)
        return self._dispatcher.submit(self.filled(values, tab), *names)

    def filled(self, values: Mapping[str, Any], tab: str = "txt2img") -> GenerationRequest:
        """The complete request that `submit` queues: checkpoint found, defaults taken, seed drawn, names checked."""
        if values.get("model_work"):
            return work_request(values["model_work"], self.collection)
        if tab == EXTRAS or values.get("extras"):
            return extras_request(values, self._models, self._inputs)
        request = filled(values, self._checkpoint_now(), self._models, self.settings.pixels(), self.abilities())
        request = with_styles(request, self.styles)
        return prepared(started(request, self._inputs, tab), lambda changed: self.filled(changed, tab))

    def levels(self, values: Mapping[str, Any]) -> list[float]:
        """The noise levels that such a request would visit, from the highest; none before the engine is there.

        Raises UserError when the values do not fit.
        """
        known = GenerationRequest.checked({name: values[name] for name in SCHEDULING if name in values})
        return self._dispatcher.levels(known)

    def model_order(self, values: Mapping[str, Any]) -> Order:
        """What a new model file would be, made of others as `values` (those of `ModelWork`) say. Raises UserError."""
        return ordered(values, self.collection)

    def stop(self, job_id: str | None = None, how: str = "interrupt") -> None:
        """Ends a job, keeping what is done (None: the one that runs); `how` "skip" ends only the batch being made."""
        if how not in ("interrupt", "skip"):
            raise UserError(f"A job is stopped by 'interrupt' or 'skip', not {how!r}.")
        self._dispatcher.stop(job_id, how)

    def cancel(self, job_id: str) -> Job:
        """Takes a waiting job out of the queue. Raises NotFound, or UserError when it runs already."""
        return self._dispatcher.cancel(job_id)

    def resubmit(self, job_id: str) -> Job:
        """Queues the same request again, seed included; an interrupted or failed original leaves the lists. Of a script
        that did not finish, only what is missing is painted.
        """
        old = self._queue.get(job_id)
        request = self.filled(old.request.model_dump(exclude_unset=True), old.tab)
        new = self._dispatcher.submit(resumed(request, old, self.pictures_of(old)), old.tab, old.owner)
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

    def pictures_by_id(self, ids: Iterable[int]) -> list[PictureRecord]:
        """Pictures in the order of their ids; unknown ones are left out."""
        return self._history.many(ids)

    def picture(self, picture: int) -> PictureRecord:
        """Raises NotFound."""
        return self._history.get(picture)

    def thumbnail(self, record: PictureRecord) -> Path:
        """The file of a picture's small copy. Raises NotFound when the picture's file is gone."""
        return kept_thumbnail(record, self._thumbnails)

    def show_in_folder(self, picture: int) -> None:
        """Opens the folder of a picture on the machine that the program runs on. Raises NotFound or UserError."""
        show_in_folder(self._history.get(picture).path)

    def models(self) -> list[ModelFile]:
        """The checkpoints there are, unusable ones with their problem."""
        return self._models.checkpoints()

    def vaes(self) -> list[ModelFile]:
        return self._models.vaes()

    def upscalers(self) -> list[str]:
        """The names of all that can enlarge."""
        return self._models.upscaler_names()

    def upscaler_files(self) -> list[ModelFile]:
        """The upscalers that are files, unusable ones with their problem."""
        return self._models.upscalers()

    def name_of(self, model: ModelFile) -> str:
        """What a request calls this file: its name, or its path below the models folder where two share the name."""
        return self._models.name_of(model)

    def refresh(self) -> None:
        """Looks at the model folders anew, and has every page do so."""
        self.collection.look_again()

    def load(self, checkpoint: str, vae: str = "Automatic") -> None:
        """Asks the engine to have a checkpoint ready, after the job that runs. Raises UserError when there is none."""
        model = self._models.checkpoint(checkpoint or self._checkpoint_now())
        self._dispatcher.load(self._models.name_of(model), self._models.vae(vae))

    def abilities(self) -> Abilities | None:
        """What the engine can do; None until it is ready."""
        return self._dispatcher.abilities

    def engine_state(self) -> EngineState:
        return self._dispatcher.engine

    def defaults(self, checkpoint: str = "") -> dict[str, Any]:
        """What a new picture's fields start with, for this checkpoint ("": the one that would be used)."""
        plain = {name: declared.default for name, declared in PARAMS.items()}
        try:
            model = self._models.checkpoint(checkpoint or self._checkpoint_now())
        except UserError:  # an empty models folder, or only files that cannot be used: the page opens all the same
            return {**plain, **self.settings.pixels()}
        return {**plain, **recommended(model), **self.settings.pixels(), "checkpoint": self._models.name_of(model)}

    def checkpoint_at_start(self) -> str:
        """The setting's checkpoint if it is there, else the last one used, else the first; "" when there is none."""
        last = next((job for job in self._queue.newest() if job.request.checkpoint), None)
        return self._models.first(self.settings["checkpoint"], last.request.checkpoint if last else "")

    def paste(self, text: str) -> PastedSettings:
        """The settings in a picture's text, ready for the page: the checkpoint found by its hash, else by its name.
        An empty text means that of the last generation; raises UserError when there was none.
        """
        text = text if text.strip() else last_settings(self.folders)
        if not text.strip():
            raise UserError("There was no generation yet whose settings could be read.", hint="Paste a settings text.")
        pasted = pasted_settings(text, self._models, self.abilities())
        take_out_styles(pasted.values, self.styles.all(), self.settings["infotext_styles"])
        self.hooks.call("infotext_pasted", text=text, values=pasted.values)
        return pasted

    def reproduce(self, text: str = "", picture: int | None = None, owner: str = "") -> tuple[Job, Reproduction]:
        """Queues a job that paints a picture of the history, or the one that a text describes, once more. Raises
        UserError when there are no settings, NotFound for an unknown picture.
        """
        found = self._reproduction(text, picture)
        return self.submit(found.values, found.tab, owner), found

    def count_tokens(
        self, text: str, *, negative: bool = False, fields: Mapping[str, Any] = MappingProxyType({})
    ) -> tuple[int, int, tuple[str, ...]]:
        """Tokens of a prompt, the room that its chunks have, and what its writer should know. `fields`: what of the
        request the counting depends on, `steps` and `styles` for example. Raises UserError.
        """
        request = GenerationRequest.checked({**self.settings.pixels(), **fields})
        added = self.styles.named(request.style_names)
        text = styled(text, [one.negative_prompt if negative else one.prompt for one in added])
        counted = count(text, request, negative=negative, vocabulary=self._dispatcher.words())
        return *counted, remarks_of(text, request)

    def problems(self) -> list[str]:
        """Sentences about what went wrong beside the jobs since the start: history, settings file, extensions."""
        failed = [f"The extension {one.extension} failed at {one.moment}: {one.message}" for one in self.hooks.problems]
        return [*self._notes, *self.settings.problems, *failed]

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
            "indexing": self.library.index.progress(),
            "downloads": self.downloads.all(),
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

    def _download_told(self, download: dict[str, Any]) -> None:
        self._bus.tell("download", download, about=download["id"])

    def _keys(self) -> dict[str, str]:
        """What downloads show to a host, by its name."""
        return {host: self.settings[name] for host, name in KEY_SETTINGS.items()}

    def _reproduction(self, text: str = "", picture: int | None = None) -> Reproduction:
        record = self._history.get(picture) if picture is not None else None
        request = request_behind(record, self._queue) if record else None
        found = record.infotext if record else text
        return reproduction(found, self._models, self.abilities(), request, self._inputs)

    def _models_changed(self, model: str) -> None:
        """More is known of a model, or ("") files or cards are other ones than before."""
        if not model:
            self._models.refresh()
        self._bus.tell("models", {"id": model})

    def _checkpoint_to_load(self) -> str:
        """`checkpoint_at_start`; that it is not the one which the settings name is noted as a problem."""
        found, chosen = self.checkpoint_at_start(), self.settings["checkpoint"]
        try:
            if chosen:
                self._models.checkpoint(chosen)
        except UserError as error:
            self._notes.append(f"{error.message} {f'{found} is loaded instead.' if found else ''}".strip())
        return found

    def _checkpoint_now(self) -> str:
        """What "no checkpoint named" means: the loaded one, else the one for the start."""
        return self.engine_state().model or self.checkpoint_at_start()
