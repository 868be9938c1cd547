"""Puts pictures on disk and into the history, in a thread of its own, while the device makes the next ones."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..core.errors import UserError
from ..core.files import Folders, write_atomically
from ..core.hooks import Hooks
from ..core.pictures import Picture
from ..core.settings import Settings
from ..imaging.metadata import storable
from ..imaging.naming import expand, facts_of
from ..imaging.save import save_picture
from .failures import note, sentence
from .history import History, PictureRecord
from .queue import Job

log = logging.getLogger("easel.jobs")

LAST_SETTINGS = "params.txt"  # in the data folder, as at A1111
LONGEST_LAST = 1 << 20  # bytes
MOST_UNSAVED = 8  # pictures in memory; a slower disk makes the device wait


@dataclass
class Plan:
    """Where a picture will go and what it will say; listeners of `saving` may change it. `name` gets the format's
    ending behind, and where it is `numbered` a number in front. `text_beside`: the text is written as .txt too.
    """

    folder: Path
    name: str
    infotext: str
    format: str
    quality: int
    numbered: bool = True
    text_beside: bool = False


class Saver:
    """Saves in the order given. `start` before `save`; `close` saves what was given until then."""

    def __init__(
        self, folders: Folders, settings: Settings, hooks: Hooks, history: History, log_place: str = "the console"
    ) -> None:
        self._folders, self._settings, self._hooks, self._history = folders, settings, hooks, history
        self._log_place = log_place
        self._rooms = threading.BoundedSemaphore(MOST_UNSAVED)
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self, saved: Callable[[PictureRecord], None], failed: Callable[[str, str, str], None]) -> None:
        """`saved` hears of every picture in the history; `failed` gets job, message and hint of one that is not there,
        or not where it belongs. Both are called in the saver's thread.
        """
        self._saved, self._failed = saved, failed
        self._thread = threading.Thread(target=self._work, name="easel-saver", daemon=True)
        self._thread.start()

    def save(self, job: Job, picture: Picture) -> None:
        """Has a picture saved. Waits while too many others wait for the disk."""
        self._rooms.acquire()
        self._orders.put(lambda: self._save(job, picture))

    def after_pictures(self, call: Callable[[], None]) -> None:
        """Has something called when all pictures given so far are saved."""
        self._orders.put(call)

    def close(self, seconds: float = 10.0) -> None:
        self._orders.put(None)
        if self._thread is not None:
            self._thread.join(seconds)

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                order()
            except Exception:
                log.exception("The end of a job could not be noted.")

    def _save(self, job: Job, picture: Picture) -> None:
        """One picture. This is a border: whatever goes wrong becomes the job's sentence, and the pixels are rescued."""
        path = None
        try:
            path, text = self._placed(job, picture)
            record = self._history.add(job.id, picture, path, text)
            if picture.index == 0:
                write_atomically(self._folders.data / LAST_SETTINGS, storable(text).encode())
            self._hooks.call("saved", picture=picture, path=path)
            self._saved(record)
        except Exception as error:
            what = f"The picture {path} is not in the history." if path else "A picture could not be saved."
            note(error, "%s (picture %d of job %s)", what, picture.index, job.id)
            message, hint = sentence(error, None, self._log_place)
            self._failed(job.id, f"{what} {message}", hint)
        finally:
            self._rooms.release()

    def _placed(self, job: Job, picture: Picture) -> tuple[Path, str]:
        """Writes a picture where it belongs, else where it can be. Gives its path and the text in it."""
        try:
            plan = self._planned(job, picture)
            plan.text_beside = self._settings["save_txt"]
            self._hooks.call("saving", picture=picture, plan=plan)
            return _written(picture, plan), plan.infotext
        except Exception as error:
            return self._rescued(job, picture, error), picture.infotext

    def _planned(self, job: Job, picture: Picture) -> Plan:
        settings, request = self._settings, job.request
        facts = {
            **facts_of(picture),
            **({"basename": picture.source} if picture.source else {}),
            "index": picture.index,
            "pictures": request.pictures,
            "batch_size": request.batch_size,
            "seed_first": request.seed,
            "seed_last": request.seed + request.pictures - 1,
            "job_time": datetime.fromtimestamp(job.created),
        }
        if request.batch_output:
            folder, name = self._folders.outputs / Path(request.batch_output).expanduser(), picture.source
            form = settings["samples_format"], settings["jpeg_quality"]
            return Plan(folder, name, picture.infotext, *form, numbered=not picture.source)
        if request.extras:
            name = picture.source or (str(picture.facts.seed) if picture.facts.seed >= 0 else "")
            inside = expand(settings["directories_filename_pattern"], facts, folders=True)
            folder = self._folders.outputs / settings["outdir_extras_samples"] / inside
            return Plan(folder, name, picture.infotext, settings["samples_format"], settings["jpeg_quality"])
        inside = expand(settings["directories_filename_pattern"], facts, folders=True)
        if picture.grid:
            folder = settings["outdir_img2img_grids" if request.init_image else "outdir_txt2img_grids"]
            name, form = f"{picture.source}-{picture.facts.seed}", (settings["grid_format"], settings["jpeg_quality"])
            return Plan(self._folders.outputs / folder / inside, name, picture.infotext, *form)
        kind = "outdir_img2img_samples" if request.init_image else "outdir_txt2img_samples"
        return Plan(
            self._folders.outputs / settings[kind] / inside,
            expand(settings["samples_filename_pattern"], facts),
            picture.infotext,
            settings["samples_format"],
            settings["jpeg_quality"],
        )

    def _rescued(self, job: Job, picture: Picture, error: Exception) -> Path:
        """Writes a picture that could not be put where it belongs into the data folder, plainly named, and says so."""
        note(error, "Picture %d of job %s could not be put in its place.", picture.index, job.id)
        message, hint = sentence(error, None, self._log_place)
        plan = Plan(self._folders.data / "rescued", str(picture.facts.seed), picture.infotext, "png", 100)
        try:
            path = _written(picture, plan)
        except UserError as second:
            raise UserError(message, hint=hint) from second
        self._failed(job.id, f"A picture could not be put in its folder. {message} It was saved as {path}.", hint)
        return path


def last_settings(folders: Folders) -> str:
    """The text of the last job's first picture; "" when there is none that can be read."""
    try:
        with (folders.data / LAST_SETTINGS).open("rb") as file:
            return file.read(LONGEST_LAST).decode(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        log.info("The last settings cannot be read: %s", error)
        return ""


def _written(picture: Picture, plan: Plan) -> Path:
    folder, name, text = Path(plan.folder), str(plan.name), str(plan.infotext)
    return save_picture(
        picture.pixels,
        folder,
        name,
        text,
        format=plan.format,
        quality=plan.quality,
        numbered=plan.numbered,
        beside=plan.text_beside,
    )
