"""The models as a collection: what each is, what its owner wrote about it, how it looks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..catalog.beside import (
    OURS,
    Card,
    beside,
    preview_of,
    read_card,
    read_civitai,
    stem_of,
    trained_words,
    write_card,
    write_trained_words,
)
from ..catalog.families import FAMILIES
from ..catalog.folders import known_by
from ..catalog.hashing import HashCache, short_hash
from ..catalog.scan import UPSCALER_FOLDERS, ModelFile, examined, found_files, glanced, unread
from ..core.errors import UserError
from ..core.files import Folders, write_atomically
from ..imaging.thumbnails import thumbnail
from . import model_files
from .background import Background
from .model_facts import Names, inside, page_of
from .queue import NotFound

KINDS = ("checkpoint", "VAE", "LoRA", "embedding", "upscaler")
ID_DIGITS = 16
PREVIEW_SIDE = 768  # pixels
PATIENCE = 1.0  # seconds that a list may take to read new files
BREATH = 0.002  # seconds after each of them, in which pages are served
TELL_EVERY = 15.0  # seconds between two news of what was read
# What the page calls the card's fields, and what A1111 does.
FIELDS = {
    "description": "description",
    "notes": "notes",
    "trigger_words": "activation text",
    "negative_text": "negative text",
    "preferred_weight": "preferred weight",
    "vae": "vae",
}
OWN_FIELDS = ("family", "variant", "prediction_type", "zero_terminal_snr", "use_ema", "native_size", "recommended")


@dataclass(frozen=True)
class Entry:
    """One model file, its card, and the time of change of the picture beside it; None without one. `unread`: nobody has
    looked into the file yet.
    """

    id: str
    kind: str
    model: ModelFile
    card: Card
    preview: int | None
    unread: bool = False

    @property
    def root(self) -> Path:
        """The models folder that it lies in or below."""
        return self.model.path.parents[self.model.label.count("/")]

    @property
    def folder(self) -> str:
        """Its folder below the root; "" for the root itself."""
        return self.model.label.rpartition("/")[0]

    def as_json(self) -> dict[str, Any]:
        """What a list shows of it."""
        family = FAMILIES.get(self.model.family_id)
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.model.name,
            "folder": self.folder,
            "format": self.model.path.name[len(self.model.name) + 1 :].lower() or "folder",
            "family": family.name if family else "",
            "variant": self.model.variant,
            "size": self.model.size,
            "changed": self.model.mtime_ns / 1e9,
            "hash": self.model.short_hash,
            "words": self.card.trigger_words[:200],
            "negative": self.card.negative_text[:200],
            "weight": self.card.preferred_weight,
            "problem": bool(self.model.problem),
            "preview": None if self.preview is None else f"/api/models/{self.id}/preview?v={self.preview:x}",
        }


class Collection:
    """All model files as they were when last looked at. Safe from any thread. `changed` is called with a model's id
    when its hash has become known, with a kind when more of its files were read, and with "" when files or cards have
    changed.
    """

    def __init__(self, folders: Folders, changed: Callable[[str], None]) -> None:
        self._folders, self._changed = folders, changed
        self._hashes = HashCache(folders.data)
        self._previews = folders.data / "thumbnails" / "models"
        self._locks = {kind: threading.Lock() for kind in KINDS}  # thousands of one kind keep nobody from the others
        self._found: dict[str, dict[str, Entry]] = {}
        self._known: dict[tuple[str, Path], tuple[tuple[Any, ...], Entry]] = {}  # by what the files looked like then
        self._read: set[Path] = set()  # files that were read since the start, remembered or not to be read at all
        self._reading, self._hashing = Background("easel-models"), Background("easel-hashes")

    def roots(self, kind: str) -> list[Path]:
        """The folders whose files are of this kind. Raises UserError for a kind that there is not."""
        places = {
            "checkpoint": self._folders.checkpoints,
            "VAE": self._folders.vaes,
            "LoRA": self._folders.loras,
            "embedding": self._folders.embeddings,
            "upscaler": [self._folders.models / name for name in UPSCALER_FOLDERS],
        }
        if kind not in places:
            raise UserError(f"There are no models of the kind {kind[:40]!r}.", hint=f"There are: {', '.join(KINDS)}.")
        return list(places[kind])

    def entries(self, kind: str) -> list[Entry]:
        """All files in the folders of a kind, by name. Raises UserError."""
        return list(self._of_kind(kind, self.roots(kind)).values())

    def entry(self, entry_id: str) -> Entry:
        """Raises NotFound."""
        for kind in sorted(KINDS, key=lambda kind: kind not in self._found):  # what is known anyway comes first
            if found := self._of_kind(kind, self.roots(kind)).get(entry_id):
                return found
        raise NotFound("There is no such model any more.", hint="Refresh the list.")

    def look_again(self) -> None:
        """Looks at the folders anew, and has everybody do so."""
        self._forget(*KINDS)
        self._changed("")

    def details(self, entry_id: str) -> dict[str, Any]:
        """All that is known of one model. A hash that is not known is computed in the background. Raises NotFound."""
        entry = self.entry(entry_id)
        model, card, civitai = entry.model, entry.card, read_civitai(entry.model.path)
        there = known_by(model.path).is_file()
        known = self._hashes.known(model.path) if there else None
        if known is None and there:
            self._hashing.wish(model.path, partial(self._hash, model.path))
        return {
            **entry.as_json(),
            "file": str(model.path),
            "reason": model.reason,
            "problem": model.problem if model.path.exists() else str(model_files.gone(model.path)),
            "sha256": known,
            "hash": short_hash(known) if known else "",
            "card": {name: getattr(card, name) for name in FIELDS},
            "card_problem": card.problem,
            "trained_words": trained_words(civitai),
            "page": page_of(civitai),
            "own": card.own.model_dump(include=set(OWN_FIELDS), exclude_none=True),
            "recommended": model.declared.recommended.model_dump(exclude_none=True),
            "prediction_type": model.declared.prediction_type or "",
            **inside(model.path),
        }

    def write(self, entry_id: str, values: Mapping[str, Any]) -> None:
        """Changes what the card says: `FIELDS`, and `OWN_FIELDS` for what the user knows better. Raises UserError."""
        unknown = [name for name in values if name not in FIELDS and name not in OWN_FIELDS]
        if unknown:
            there_are = ", ".join((*FIELDS, *OWN_FIELDS))
            raise UserError(f"A model has no {unknown[0][:40]!r}.", hint=f"It has: {there_are}.")
        entry = self.entry(entry_id)
        changes = {FIELDS[name]: value for name, value in values.items() if name in FIELDS}
        own = {name: value for name, value in values.items() if name in OWN_FIELDS}
        write_card(entry.model.path, {**changes, **({OURS: own} if own else {})})
        if words := changes.get("activation text"):
            write_trained_words(entry.model.path, [word.strip() for word in words.split(",") if word.strip()])
        if own or "vae" in values:
            self.look_again()  # what pictures start with: the widgets of every page depend on it
        else:
            self._look_again_at(entry.id)

    def preview(self, entry_id: str) -> Path:
        """The file of a model's small picture. Raises NotFound when it has none."""
        entry = self.entry(entry_id)
        source = preview_of(entry.model.path)
        if source is None:
            raise NotFound(f"{entry.model.name} has no preview.")
        small = self._previews / f"{entry.id}-{source.stat().st_mtime_ns:x}.webp"
        if not small.exists():
            write_atomically(small, thumbnail(source))
        return small

    def set_preview(self, entry_id: str, picture: Path) -> None:
        """Makes a picture the model's preview, as a PNG beside it. Raises UserError."""
        path = beside(self.entry(entry_id).model.path, ".preview.png")
        content = picture.read_bytes() if picture.suffix.lower() == ".png" else thumbnail(picture, PREVIEW_SIDE, "png")
        try:
            write_atomically(path, content)
        except OSError as error:
            hint = "Is the folder write-protected, or the disk full?"
            raise UserError(f"{path.name} cannot be written: {error.strerror}.", hint=hint) from error
        self._look_again_at(entry_id)

    def rename(self, entry_id: str, name: str) -> str:
        """Gives a model another name, without ending; its new id. Raises NotFound or UserError."""
        return self._placed(model_files.rename(self.entry(entry_id).model.path, name))

    def move(self, entry_id: str, folder: str) -> str:
        """Moves a model to another folder below its models folder; its new id. Raises NotFound or UserError."""
        entry = self.entry(entry_id)
        return self._placed(model_files.move(entry.model.path, entry.root, folder))

    def discard(self, entry_id: str) -> str:
        """Moves a model into the trash; the name of its place there. Raises NotFound or UserError."""
        entry = self.entry(entry_id)
        place = model_files.discard(entry.model.path, entry.root)
        self.look_again()
        return place.name

    def discarded(self) -> list[model_files.Discarded]:
        """What lies in the trash of the models folders, the newest first."""
        return model_files.discarded(self._all_roots())

    def restore(self, place: str) -> Path:
        """Takes a model out of the trash. Raises NotFound or UserError."""
        path = model_files.restore(self._all_roots(), place)
        self.look_again()
        return path

    def empty_trash(self) -> int:
        """Deletes the models in the trash for good; gives how many. Raises UserError."""
        return model_files.empty_trash(self._all_roots())

    def close(self) -> None:
        if all([self._reading.close(2.0), self._hashing.close(2.0)]):
            self._hashes.close()

    def _forget(self, *kinds: str) -> None:
        for kind in kinds:
            with self._locks[kind]:
                self._found.pop(kind, None)

    def _look_again_at(self, entry_id: str) -> None:
        """Looks at one model anew, and has everybody do so."""
        for kind, lock in self._locks.items():
            with lock:
                found = self._found.get(kind, {})
                if old := found.get(entry_id):
                    self._found[kind] = {**found, entry_id: self._examined(kind, old.root, old.model.path, Names())}
        self._changed(entry_id)

    def _all_roots(self) -> list[Path]:
        return [root for kind in KINDS for root in self.roots(kind)]

    def _placed(self, path: Path) -> str:
        self.look_again()
        return id_of(path)

    def _of_kind(self, kind: str, roots: list[Path]) -> dict[str, Entry]:
        """The entries of a kind by their ids."""
        with self._locks[kind]:
            if kind not in self._found:
                self._found[kind] = {entry.id: entry for entry in self._looked_at(kind, roots)}
            return self._found[kind]

    def _looked_at(self, kind: str, roots: list[Path]) -> list[Entry]:
        """The entries of a kind. Files that were never read are for as long as patience lasts; the rest is read in the
        background and listed unread: thousands of new ones must not make anybody wait.
        """
        beside = self._folders.checkpoints if kind == "VAE" else ()
        entries, new, names = [], [], Names()
        ends = time.monotonic() + PATIENCE
        for folder, path in found_files(kind, roots, beside):
            stamp = names.stamp(path)
            known = self._known.get((kind, path))
            if known is not None and known[0] == stamp and not (known[1].unread and path in self._read):
                entry = known[1]
            elif path in self._read or time.monotonic() < ends:
                entry = self._examined(kind, folder, path, names)
            else:
                model = glanced(folder, path, kind, self._hashes)
                entry = replace(_entry(kind, model or unread(folder, path), names), unread=model is None)
                self._known[kind, path] = stamp, entry
            entries.append(entry)
            if entry.unread:
                new.append((folder, path))
        if new:
            self._reading.wish(kind, partial(self._read_all, kind, new))
        return entries

    def _examined(self, kind: str, folder: Path, path: Path, names: Names) -> Entry:
        """A file's entry; it is read now unless what it is is remembered. The caller holds the kind's lock."""
        stamp = names.stamp(path)
        entry = _entry(kind, examined(folder, path, kind, self._hashes), names)
        self._known[kind, path] = stamp, entry
        return entry

    def _read_all(self, kind: str, files: list[tuple[Path, Path]]) -> None:
        """Reads files so that they are remembered, and says so now and then."""
        told = time.monotonic()
        for folder, path in files:
            if self._reading.closing:
                return
            if path not in self._read:
                examined(folder, path, kind, self._hashes)
                self._read.add(path)
                time.sleep(BREATH)
            if time.monotonic() - told > TELL_EVERY:
                self._forget(kind)
                self._changed(kind)
                told = time.monotonic()
        self._forget(kind)
        self._changed(kind)

    def _hash(self, path: Path) -> None:
        with contextlib.suppress(UserError):  # gone or changing: whoever looks at it again is told
            self._hashes.sha256(path, check=self._check_open)
        self._look_again_at(id_of(path))

    def _check_open(self) -> None:
        if self._hashing.closing:
            raise UserError("The program ends.")


def _entry(kind: str, model: ModelFile, names: Names) -> Entry:
    there = names.around(model.path)
    card = read_card(model.path) if f"{stem_of(model.path)}.json" in there else Card()
    picture = preview_of(model.path, there)
    version = int(picture.stat().st_mtime) if picture and picture.exists() else None
    return Entry(id_of(model.path), kind, model, card, version)


def id_of(path: Path) -> str:
    """What the page and the API call a model file."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:ID_DIGITS]
