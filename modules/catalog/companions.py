"""Completes checkpoints of SD 3 and FLUX, which often come without text encoders and VAE, from files of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import UserError
from .detection import size
from .families import Family
from .header import BITS, Header, TensorEntry
from .open import read_tensors
from .parts import OPTIONAL, PARTS, T5, T5_PART, T5_WORDS, TOKENIZER_PART, Part, Tensors, Widths, widths_of
from .scan import model_files

LARGEST = 64 << 20  # bytes of a tokenizer
SENTENCE_PIECES, END = "Unigram", "</s>"  # the kind of T5's tokenizer, and the word that ends its texts
DOES_WITHOUT = "sd3"


@dataclass(frozen=True)
class Places:
    """Folders that are searched, with all below them. New files are asked for in the first of each."""

    text_encoders: tuple[Path, ...] = (Path("models/text_encoder"),)
    vaes: tuple[Path, ...] = (Path("models/VAE"),)


@dataclass(frozen=True)
class Completed:
    """A checkpoint with all that it needs, wherever that lies. `files`: those beside its own that read its text,
    `tokenizer` among them: T5's, None where T5 is done without. `remarks`: what users should know of that.
    """

    header: Header
    files: tuple[Path, ...] = ()
    tokenizer: Path | None = None
    remarks: tuple[str, ...] = ()


def completed(header: Header, family: Family, places: Places, *, own_vae: bool = True) -> Completed:
    """The checkpoint with the parts that it lacks, from files in `places`. `own_vae` False: it is given another VAE.

    Raises UserError, naming each part that there is none of, what to fetch, and where to put it.
    """
    if family.id not in PARTS:
        return Completed(header)
    needed = [part for part in PARTS[family.id] if own_vae or not part.is_vae]
    absent = [part for part in needed if not any(mark in header.tensors for mark in part.marks)]
    found = _found(absent, places, widths_of(header, family.id))
    missing = [part for part in absent if part not in found]
    whole, tokenizer = _joined(header, found), None
    if T5_PART not in missing:
        beside = found[T5_PART].path if T5_PART in found else header.path
        tokenizer = _tokenizer(whole, beside.parent, places.text_encoders)
        missing += [] if tokenizer else [TOKENIZER_PART]
    lacked = missing if family.id != DOES_WITHOUT else [part for part in missing if part not in OPTIONAL]
    if lacked:
        searched = _listed([str(one) for one in (*places.text_encoders, *places.vaes)], "or")
        raise UserError(
            f"{header.path.name} lacks {_listed([part.name for part in lacked])}, and there is none in {searched}.",
            hint=f"Fetch {_listed([_fetched(part, places) for part in lacked])}.",
        )
    remarks = tuple(_without(header, part, places) for part in missing)
    files = [file.path for part, file in found.items() if not part.is_vae] + ([tokenizer] if tokenizer else [])
    return Completed(whole, tuple(files), tokenizer, remarks)


@dataclass(frozen=True)
class _File:
    """A file that holds a part: the part's tensors, by their names in a checkpoint."""

    path: Path
    start: int
    tensors: Tensors

    @property
    def rank(self) -> tuple[int, str]:
        """Finer numbers first, then by name."""
        largest = max(self.tensors.values(), key=lambda entry: entry.end - entry.begin)
        return -BITS[largest.dtype], self.path.name


def _found(parts: Sequence[Part], places: Places, widths: Widths) -> dict[Part, _File]:
    """The best file for each of the parts that there is one of. Files that cannot be read are no help."""
    found: dict[Part, _File] = {}
    for is_vae, folders in ((False, places.text_encoders), (True, places.vaes)):
        sought = [part for part in parts if part.is_vae == is_vae]
        for _, path in model_files(folders) if sought else ():
            try:
                header = read_tensors(path)
            except UserError:
                continue
            for part in sought:
                if tensors := part.found(header, widths) if part.found else {}:
                    file = _File(path, header.data_start, tensors)
                    found[part] = min(found.get(part, file), file, key=lambda one: one.rank)
    return found


def _joined(header: Header, found: dict[Part, _File]) -> Header:
    """One table of all tensors, each with its file."""
    if not found:
        return header
    tensors = {name: _placed(entry, header.data_start, header.path) for name, entry in header.tensors.items()}
    for file in found.values():
        tensors |= {name: _placed(entry, file.start, file.path) for name, entry in file.tensors.items()}
    return Header(header.path, tensors, header.metadata, 0)


def _placed(entry: TensorEntry, start: int, path: Path) -> TensorEntry:
    return replace(entry, begin=start + entry.begin, end=start + entry.end, file=entry.file or path)


def _tokenizer(header: Header, beside: Path, folders: Iterable[Path]) -> Path | None:
    """The first file that holds the words of the checkpoint's T5: beside that, or in a folder of encoders or below."""
    words = next(size(header.shapes, T5 + name, 0) for name in T5_WORDS if T5 + name in header.tensors)
    near = sorted(beside.glob("*tokenizer*.json"))
    below = [path for folder in folders for path in sorted(folder.rglob("*tokenizer*.json"))]
    return next((path for path in (*near, *below) if _is_t5s(path, words)), None)


def _is_t5s(path: Path, words: int) -> bool:
    try:
        table = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= LARGEST else {}
        model = table["model"]
        first = [word for word, _ in model["vocab"][:8]]
        return model["type"] == SENTENCE_PIECES and END in first and len(model["vocab"]) <= words
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _without(header: Header, part: Part, places: Places) -> str:
    return (
        f"{header.path.name} reads prompts without T5, so that long sentences are understood less well: {part.name} is "
        f"missing. To have it, fetch {_fetched(part, places)}, and load the checkpoint anew."
    )


def _fetched(part: Part, places: Places) -> str:
    folder = (places.vaes if part.is_vae else places.text_encoders)[0]
    return f"{part.file} from {part.address} into {folder}"


def _listed(names: Sequence[str], last: str = "and") -> str:
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
