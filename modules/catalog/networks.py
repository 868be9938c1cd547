"""Finds the small networks that prompts name: LoRAs by file name, alias or hash, embeddings by file name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UserError
from .hashing import HashCache
from .open import read_tensors
from .scan import SUFFIXES, model_files, walked

ALIAS, OWN_HASH = "ss_output_name", "sshs_model_hash"  # what kohya's scripts write into the metadata
SHORT = 12  # hex digits by which A1111 names a LoRA or an embedding
PICTURES = (".png", ".webp", ".jxl", ".avif")  # that may carry an embedding
FEWEST = 8  # hex digits that are taken for a hash


@dataclass(frozen=True)
class _Told:
    """What a file says about itself: another name, and its hash; "" for neither. `start`: where its numbers begin."""

    alias: str = ""
    digest: str = ""
    start: int = 0


class LoraShelf:
    """The LoRA files in some folders and below, as they are at each question. Of a file that stays as it is, what it
    says about itself is read once. For one thread.
    """

    def __init__(self, folders: Sequence[Path], hashes: HashCache) -> None:
        self._folders = folders
        self._hashes = hashes
        self._told: dict[tuple[Path, int, int], _Told] = {}

    def find(self, name: str) -> Path | None:
        """The file that a prompt means: by its name without ending, alone or with its folders, else by its alias, else
        by the first digits of its hash; in exactly this spelling or, if there is none, in any case. An alias that two
        files share means neither.
        """
        files = list(model_files(self._folders))
        return (
            _first(path for folder, path in files if name in _names(folder, path))
            or _first(path for folder, path in files if name.casefold() in map(str.casefold, _names(folder, path)))
            or _alone(path for _, path in files if self._of(path).alias.casefold() == name.casefold())
            or _first(path for _, path in files if self._has_hash(path, name.casefold()))
        )

    def short_hash(self, path: Path) -> str:
        """A1111's twelve digits: the file's own word, else the SHA-256 of its numbers without the header, computed now
        if it must be. Raises UserError when the file cannot be read.
        """
        told = self._of(path)
        return (told.digest or self._hashes.sha256(path, told.start))[:SHORT]

    def known_hash(self, path: Path) -> str:
        """The same if the file says it, or it was computed before; else "". Reads no more than a header."""
        told = self._of(path)
        return (told.digest or self._hashes.known(path, told.start) or "")[:SHORT]

    def _has_hash(self, path: Path, digits: str) -> bool:
        if len(digits) < FEWEST or not all(digit in "0123456789abcdef" for digit in digits):
            return False
        return self.known_hash(path).startswith(digits[:SHORT])

    def _of(self, path: Path) -> _Told:
        """What the file says; nothing if it cannot be read: whoever uses it will be told why."""
        try:
            status = path.stat()
            key = path, status.st_size, status.st_mtime_ns
            if key not in self._told:
                header = read_tensors(path)
                alias, digest = header.metadata.get(ALIAS, ""), header.metadata.get(OWN_HASH, "")
                self._told[key] = _Told(alias, digest.lower(), header.data_start)
            return self._told[key]
        except (OSError, UserError):
            return _Told()


def embedding_files(folders: Sequence[Path]) -> Iterator[Path]:
    """The files in some folders and below that may hold an embedding; no pipes, and no links to what is gone."""
    for _, root, _, names in walked(folders):
        yield from (path for name in names if is_embedding_name(path := root / name) and path.is_file())


def is_embedding_name(path: Path) -> bool:
    """Whether a file may hold an embedding, by its name: previews do not."""
    suffix = path.suffix.lower()
    return suffix in SUFFIXES or (suffix in PICTURES and not path.stem.lower().endswith(".preview"))


def plain(name: str) -> str:
    """A name without what separates entries in a picture's text."""
    return name.replace(":", "").replace(",", "")


def _names(folder: Path, path: Path) -> tuple[str, str]:
    return path.stem, path.relative_to(folder).with_suffix("").as_posix()


def _first(found: Iterator[Path]) -> Path | None:
    """The first, in order of folders and names."""
    return next(found, None)


def _alone(found: Iterable[Path]) -> Path | None:
    """The one that there is; None for none or several."""
    files = list(found)
    return files[0] if len(files) == 1 else None
