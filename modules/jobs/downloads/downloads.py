"""The downloads there are: one after the other in a thread of their own, beside the queue, so that painting goes on."""

from __future__ import annotations

import logging
import os
import queue
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core.errors import Stopped, UserError
from ...core.files import Folders
from ..queue import NotFound
from .address import address_of
from .civitai import keep_page, page_of, sha256_in
from .placing import put_in_place, recognised_file
from .record import PART, Download, bytes_there, noted
from .transfer import PATIENT, Pace, Told, Transfer

log = logging.getLogger("easel.jobs")

FOLDER = ".downloads"  # among the models, so that gigabytes are only renamed in the end; lists pass over hidden folders
KINDS = ("checkpoint", "VAE", "LoRA", "embedding", "upscaler")
TELL_EVERY = 0.25  # seconds between two news of how far one is
WINDOW = 5.0  # seconds over which the speed is taken


class Downloads:
    """Safe from any thread. `keys` gives the key for each host that has one; `tell` hears of every change, `arrived`
    when another model is in its folder.
    """

    def __init__(
        self,
        folders: Folders,
        keys: Callable[[], Mapping[str, str]],
        tell: Callable[[dict[str, Any]], None],
        arrived: Callable[[], None],
        pace: Pace = PATIENT,
    ) -> None:
        self._folders, self._keys, self._tell, self._arrived, self._pace = folders, keys, tell, arrived, pace
        self._place = folders.models / FOLDER
        self._lock = threading.Lock()
        found = [noted(folder) for folder in sorted(self._place.glob("*/"), key=lambda folder: folder.name)]
        self._known = {one.id: one for one in found if one is not None}
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._transfer: tuple[str, Transfer] | None = None
        self._closing = False

    def all(self) -> list[dict[str, Any]]:
        """Every download, the oldest first, JSON-able."""
        with self._lock:
            return [one.as_json() for one in self._known.values()]

    def add(self, address: str, sha256: str = "", kind: str = "") -> str:
        """Has a file fetched; gives the download's id. `sha256`: what the file must have; `kind`: whose folder it goes
        to, "" for that of what it turns out to be. Raises UserError.
        """
        url, sha256 = address_of(address), sha256.strip().lower().removeprefix("sha256:")
        if sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise UserError("This is no SHA-256: it has 64 digits from 0 to 9 and a to f.", hint="Leave it out.")
        if kind and kind not in KINDS:
            raise UserError(f"There are no models of the kind {kind[:40]!r}.", hint=f"There are: {', '.join(KINDS)}.")
        with self._lock:
            if any(one.url == url and one.state != "finished" for one in self._known.values()):
                raise UserError("This file is being fetched already.", hint="It stands in the list of downloads.")
            one = Download(f"{time.time_ns():x}{secrets.token_hex(2)}", url, sha256, kind)
            one.write(self._place / one.id)
            self._known[one.id] = one
        self._begin(one.id)
        return one.id

    def resume(self, download: str) -> None:
        """Goes on with one that was stopped or failed. Raises NotFound."""
        with self._lock:
            one = self._found(download)
            if one.state not in ("stopped", "failed"):
                return
            self._known[download] = replace(one, state="waiting", message="", hint="")
        self._begin(download)

    def stop(self, download: str) -> None:
        """Ends one; what has arrived stays. Raises NotFound."""
        with self._lock:
            one = self._found(download)
            if one.state == "waiting":
                self._known[download] = one = replace(one, state="stopped", speed=0.0)
            if self._transfer is not None and self._transfer[0] == download:
                self._transfer[1].stop()
        self._tell(one.as_json())

    def remove(self, download: str) -> None:
        """Takes one that is over off the list, with what had arrived of it. Raises NotFound or UserError."""
        with self._lock:
            if not self._found(download).over:
                raise UserError("It is still being fetched.", hint="Stop it first.")
            del self._known[download]
        shutil.rmtree(self._place / download, ignore_errors=True)
        self._tell({"id": download, "state": "removed"})

    def close(self, seconds: float = 5.0) -> None:
        """Ends what runs; it can be gone on with after the next start."""
        self._closing = True
        with self._lock:
            if self._transfer is not None:
                self._transfer[1].stop()
        self._waiting.put("")
        if self._thread is not None:
            self._thread.join(seconds)

    def _found(self, download: str) -> Download:
        if download not in self._known:
            raise NotFound("There is no such download any more.")
        return self._known[download]

    def _begin(self, download: str) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="easel-downloads", daemon=True)
                self._thread.start()
        self._waiting.put(download)
        self._tell(self._known[download].as_json())

    def _work(self) -> None:
        while (download := self._waiting.get()) or not self._closing:
            with self._lock:
                one = self._known.get(download)
                if self._closing or one is None or one.state != "waiting":
                    continue
                steps = _Steps(one, self._place / one.id, self._changed, self._keys())
                transfer = steps.transfer(self._pace)
                self._transfer = (download, transfer)
            self._fetch(steps, transfer)

    def _fetch(self, steps: _Steps, transfer: Transfer) -> None:
        """From the first byte to the model in its folder. A border: whatever goes wrong becomes a sentence."""
        try:
            steps.fetched(transfer, self._folders, self._arrived)
        except Stopped:
            steps.change(state="stopped")
        except UserError as error:
            steps.change(state="failed", message=error.message, hint=error.hint)
        except Exception as error:
            log.exception("A model could not be fetched.")
            steps.change(state="failed", message=f"Something unexpected went wrong: {type(error).__name__}.")
        with self._lock:
            self._transfer = None
        if steps.now.state != "finished":
            steps.note()

    def _changed(self, one: Download) -> None:
        with self._lock:
            self._known[one.id] = one
        self._tell(one.as_json())


class _Steps:
    """One download while it runs, told to the others now and then."""

    def __init__(
        self, one: Download, folder: Path, changed: Callable[[Download], None], keys: Mapping[str, str]
    ) -> None:
        self.now, self._folder, self._changed, self._keys = one, folder, changed, keys
        self._told = 0.0
        self._marks: list[tuple[float, int]] = []

    def change(self, **facts: Any) -> None:
        self.now = replace(self.now, speed=0.0, **{"received": bytes_there(self._folder), **facts})
        self._changed(self.now)

    def note(self) -> None:
        """Writes down how it stands, as far as the disk lets us."""
        try:
            self.now.write(self._folder)
        except UserError as error:
            log.warning("A download will not be known after the next start: %s", error)

    def transfer(self, pace: Pace) -> Transfer:
        part = self._folder / PART
        return Transfer(self.now.url, part, self.now.told, self._heard, self._waits, self._keys, pace)

    def fetched(self, transfer: Transfer, folders: Folders, arrived: Callable[[], None]) -> None:
        """Fetches, checks, recognises and places the file. Raises UserError or Stopped."""
        self.change(state="running", message="", hint="")
        page = page_of(self.now.url, self._keys)
        file = self._folder / (self.now.told.name or PART)
        if not file.is_file() or file.name == PART:  # else only its place was missing
            told = transfer.run()
            self.change(state="checking", told=replace(told, sha256=told.sha256 or sha256_in(page, told.name)))
            if self.now.promised:
                transfer.check(self.now.promised)
            file = self._folder / told.name
            os.replace(self._folder / PART, file)
        try:
            found, words = recognised_file(file)
        except UserError:
            if not self.now.promised:  # it may have been cut short; what arrived as promised is the person's to delete
                file.unlink()
            raise
        total, place = file.stat().st_size, put_in_place(file, found, self.now.kind, folders)
        keep_page(place, page)
        shutil.rmtree(self._folder, ignore_errors=True)
        arrived()
        self.change(state="finished", received=total, message="", placed=str(place), known_as=words)

    def _waits(self, why: str) -> None:
        self.change(message=why)

    def _heard(self, told: Told, received: int) -> None:
        """Notes what the server said when that is new, and tells how far it is, now and then."""
        if told != self.now.told:
            self.now = replace(self.now, told=told, message="")
            self.now.write(self._folder)
        now = time.monotonic()
        if now - self._told < TELL_EVERY:
            return
        self._told = now
        self._marks = [mark for mark in self._marks if now - mark[0] < WINDOW and mark[1] <= received]
        self._marks.append((now, received))
        since, before = self._marks[0]
        speed = (received - before) / (now - since) if now > since else 0.0
        self.now = replace(self.now, received=received, speed=speed, message="")
        self._changed(self.now)
