"""The model files there are, and which of them is meant by what people write."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..catalog.hashing import HashCache
from ..catalog.networks import SHORT, LoraShelf, embedding_files, plain
from ..catalog.scan import ModelFile, find, find_upscaler, scan, scan_upscalers, scan_vaes
from ..core.errors import UserError
from ..core.files import Folders
from ..core.registry import UPSCALERS
from ..imaging import upscale  # registers the upscalers that need no model

VAE_WORDS = ("Automatic", "None")


@dataclass(frozen=True)
class _Found:
    """What lies in the folders."""

    checkpoints: list[ModelFile]
    vaes: list[ModelFile]
    upscalers: list[ModelFile]

    @cached_property
    def alike(self) -> set[Path]:
        """The files that share their name with another one of their list."""
        found = set()
        for files in (self.checkpoints, self.vaes, self.upscalers):
            times = Counter(model.name for model in files)
            found |= {model.path for model in files if times[model.name] > 1}
        return found


class Models:
    """The model folders as they were when last looked at. Safe from any thread."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._hashes = HashCache(folders.data)
        self._loras = LoraShelf(folders.loras, self._hashes)
        self._lock = threading.Lock()
        self._found: _Found | None = None

    def checkpoints(self) -> list[ModelFile]:
        """All checkpoints, unusable ones with their problem."""
        return self._scanned().checkpoints

    def vaes(self) -> list[ModelFile]:
        return self._scanned().vaes

    def upscalers(self) -> list[ModelFile]:
        """The upscalers that are files."""
        return self._scanned().upscalers

    def upscaler_names(self) -> list[str]:
        """What upscalers are called: those that need no file, then the files that can be read."""
        return [*UPSCALERS.names(), *(self.name_of(model) for model in self.upscalers() if not model.problem)]

    def refresh(self) -> None:
        """Has the folders looked at anew."""
        with self._lock:
            self._found = None

    def close(self) -> None:
        self._hashes.close()

    def first(self, *wanted: str) -> str:
        """The first of these that means a usable checkpoint, else the first usable one, else ""."""
        usable = [model for model in self.checkpoints() if not model.problem]
        for name in filter(None, wanted):
            with contextlib.suppress(UserError):  # gone since: the next one is as good
                return self.name_of(find(usable, name))
        return self.name_of(usable[0]) if usable else ""

    def checkpoint(self, wanted: str) -> ModelFile:
        """The checkpoint that is meant. Raises UserError when there is none such, or it cannot be used."""
        if not wanted:
            places = " or ".join(str(folder) for folder in self._folders.checkpoints)
            problems = " ".join(model.problem for model in self.checkpoints()[:3])
            raise UserError(
                f"There is no checkpoint to paint with. {problems}".strip(),
                hint=f"Put a .safetensors file into {places} and press Refresh.",
            )
        model = find(self.checkpoints(), wanted)
        if model.problem:
            raise UserError(model.problem, hint="Choose another checkpoint.")
        return model

    def vae(self, wanted: str) -> str:
        """The name of the VAE that is meant; "Automatic" and "None" are words of their own. Raises UserError."""
        for word in VAE_WORDS:
            if wanted.strip().casefold() in (word.casefold(), ""):
                return word
        model = find(self.vaes(), wanted)
        if model.problem:
            raise UserError(model.problem, hint="Choose another VAE.")
        return self.name_of(model)

    def upscaler(self, wanted: str) -> str:
        """The name of the upscaler that is meant, None left as it is. Raises UserError."""
        if wanted.strip().casefold() == upscale.NO_UPSCALER.casefold():
            return upscale.NO_UPSCALER
        if wanted in UPSCALERS:
            return UPSCALERS.get(wanted).name
        if not self.upscalers():
            raise UserError(
                f"There is no upscaler called {wanted[:60]!r}, and no file in models/ESRGAN.",
                hint=f"There are: {', '.join(UPSCALERS.names())}.",
            )
        model = find_upscaler(self.upscalers(), wanted)
        if model.problem:
            raise UserError(model.problem, hint="Choose another upscaler.")
        return self.name_of(model)

    def lora(self, name: str, short_hash: str = "") -> str | None:
        """What a prompt calls this LoRA here: the same where it finds one, else the file's name that has this hash;
        None when there is neither.
        """
        with self._lock:
            if self._loras.find(name.strip()):
                return name
            found = self._loras.find(short_hash.lower()) if short_hash else None
            return found.stem if found else None

    def lora_hash(self, name: str) -> str:
        """A1111's twelve digits of the LoRA that prompts call so, if they are known without reading it; else ""."""
        with self._lock:
            found = self._loras.find(name.strip())
            return self._loras.known_hash(found) if found else ""

    def embedding_hash(self, name: str) -> str | None:
        """A1111's twelve digits of the embedding that prompts call so; None when there is none such."""
        wanted = plain(name).casefold()
        for path in embedding_files(self._folders.embeddings):
            if plain(path.stem).casefold() == wanted:
                return self._hashes.sha256(path)[:SHORT]
        return None

    def name_of(self, model: ModelFile) -> str:
        """The file's name, or its path below the models folder where two files share the name."""
        return model.label if model.path in self._scanned().alike else model.name

    def pasted(self, files: list[ModelFile], name: str, short_hash: str) -> str:
        """The name of the usable file with this hash, else with this name; "" when there is neither."""
        usable = [model for model in files if not model.problem]
        for model in usable:
            if short_hash and model.short_hash and model.short_hash == short_hash.lower()[:10]:
                return self.name_of(model)
        return next((self.name_of(model) for model in usable if name and name in model.names), "")

    def _scanned(self) -> _Found:
        with self._lock:
            if self._found is None:
                checkpoints, vaes = self._folders.checkpoints, self._folders.vaes
                self._found = _Found(
                    scan(checkpoints, self._hashes),
                    scan_vaes(vaes, checkpoints, self._hashes),
                    scan_upscalers(self._folders.models, self._hashes),
                )
            return self._found
