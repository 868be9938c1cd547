"""From loose values to the complete order of a new model file: models found, names checked, refused early."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog.contents import EMA
from ..catalog.families import FAMILIES
from ..catalog.header import Header
from ..catalog.open import read_tensors
from ..catalog.outcome import nbytes, planned, source
from ..catalog.scan import find
from ..catalog.single_file import read_as_single_file
from ..core.errors import UserError
from ..core.files import check_room, part_of
from ..core.model_work import BOTH, CONVERT, EMA_ONLY, EXTRACT_VAE, MERGE, PLAIN_ONLY, ModelWork
from ..core.request import GenerationRequest
from .collection import Collection, Entry, id_of
from .model_files import checked_name
from .queue import Job

SUFFIX = ".safetensors"
LETTERS = {"A": "first", "B": "second", "C": "third"}


@dataclass(frozen=True)
class Order:
    """A complete order. The new file will be of this kind, in `folder` below the kind's. `size` is about its size,
    `free` what its disk has, in bytes; `ema`: whether there are smoothed weights to choose.
    """

    work: ModelWork
    kind: str
    folder: str
    size: int
    free: int
    ema: bool

    def as_json(self) -> dict[str, Any]:
        path = Path(self.work.target)
        facts = {"id": id_of(path), "kind": self.kind, "name": self.work.name, "folder": self.folder, "file": str(path)}
        return {**facts, "size": self.size, "free": self.free, "ema": self.ema}


def work_request(values: Mapping[str, Any], collection: Collection) -> GenerationRequest:
    """The request that is queued. Raises UserError when the new file cannot be made."""
    return GenerationRequest.checked({"model_work": ordered(values, collection).work.model_dump()})


def ordered(values: Mapping[str, Any], collection: Collection) -> Order:
    """What `values`, those of `ModelWork` with any name or id for each model, come to: all files' headers are read. The
    new file goes to the first folder of its kind; a converted one into the same folder below that as the old one.

    Raises UserError when a model is missing, they do not fit each other, or the new file has no name or no room.
    """
    work = ModelWork.checked({"ema": PLAIN_ONLY if values.get("tool") == MERGE else BOTH, **values})
    if work.tool == MERGE and work.ema == BOTH:
        raise UserError("A merged model has one set of weights.", hint="Choose the plain ones or the EMA ones.")
    entries = _models(work, collection)
    vae = _usable(collection, "VAE", work.vae) if work.vae else None
    paths = dict.fromkeys(LETTERS.values(), "") | {
        field: str(entry.model.path) for field, entry in zip(LETTERS.values(), entries, strict=False)
    }
    loras = [{**one.model_dump(), "name": _lora(collection, one.name, entries[0])} for one in work.loras]
    work = ModelWork.checked({**work.model_dump(), **paths, "vae": str(vae.model.path) if vae else "", "loras": loras})
    headers = [read_as_single_file(entry.model.path) for entry in entries]
    plan = planned(work, [source(header) for header in headers], read_tensors(Path(work.vae)) if vae else None)
    kind = "VAE" if work.tool == EXTRACT_VAE else work.kind
    folder = entries[0].folder if work.tool == CONVERT else ""
    name = checked_name(work.name.removesuffix(SUFFIX) or usual_name(work, entries))
    target = collection.roots(kind)[0] / folder / f"{name}{SUFFIX}"
    work = work.model_copy(update={"name": name, "target": str(target)})
    return Order(work, kind, folder, nbytes(plan), check_room(target, nbytes(plan)), _has_ema(headers))


def clear_away(jobs: Iterable[Job]) -> None:
    """Deletes what jobs that ended with the program had written of their new files. Raises nothing: it is only room."""
    for job in jobs:
        if target := job.request.model_work.get("target"):
            with contextlib.suppress(OSError):
                part_of(Path(target)).unlink(missing_ok=True)


def _models(work: ModelWork, collection: Collection) -> list[Entry]:
    """A, B and C. Raises UserError when one is not named, or none of what was asked for is done to it."""
    if work.tool != CONVERT and work.kind != "checkpoint":
        raise UserError(f"A file of kind {work.kind} can only be converted.", hint="Choose a checkpoint.")
    if work.tool != MERGE and (len(work.models) > 1 or work.vae or work.loras):
        raise UserError("Other models only come into a merged one.", hint="Choose merge.")
    for letter, name in zip(LETTERS, work.models, strict=False):
        if not name.strip():
            raise UserError(f"Model {letter} is not chosen.", hint="Choose a checkpoint for it.")
    if work.tool == MERGE and len(work.models) == 1 and not (work.vae or work.loras):
        raise UserError("There is nothing to merge.", hint="Choose a method, a VAE or a LoRA.")
    return [_found(collection, work.kind, name) for name in work.models]


def _found(collection: Collection, kind: str, name: str) -> Entry:
    """The file that is meant. Raises UserError when it is not there or is not such a file."""
    entries = collection.entries(kind)
    if named := next((entry for entry in entries if entry.id == name), None):
        name = str(named.model.path)
    model = find([entry.model for entry in entries], name)
    if model.kind == "unknown" or (model.path.is_dir() and model.problem):
        raise UserError(model.problem or f"{model.name} is not known yet: {model.reason}", hint="Choose another file.")
    return next(entry for entry in entries if entry.model is model)


def _usable(collection: Collection, kind: str, name: str) -> Entry:
    """The same, if pictures could be made with it."""
    entry = _found(collection, kind, name)
    if entry.model.problem:
        raise UserError(entry.model.problem, hint="Choose another file.")
    return entry


def _lora(collection: Collection, name: str, first: Entry) -> str:
    """The path of the LoRA that is meant. Raises UserError when it is not for models like A."""
    lora, model = _usable(collection, "LoRA", name).model, first.model
    families = [FAMILIES.get(one.family_id) for one in (lora, model)]
    if all(families) and families[0] is not families[1]:
        raise UserError(
            f"{lora.name} was made for {families[0].name}, but {model.name} is {families[1].name}.",
            hint="Choose a LoRA of the same family.",
        )
    if families[1] is None or not families[1].loadable:
        raise UserError(f"LoRAs cannot be baked into {model.name} yet.", hint="Leave them out.")
    return str(lora.path)


def usual_name(work: ModelWork, entries: Sequence[Entry]) -> str:
    """The name of a file that nobody named: a VAE must not begin like its checkpoint, or it were taken for it."""
    first = entries[0].model.name
    if work.tool == EXTRACT_VAE:
        return f"vae-{first}"
    if work.tool == MERGE:
        return "-".join([*(entry.model.name for entry in entries), "baked" if len(entries) == 1 else "merged"])[:150]
    marks = [work.dtype, "ema" if work.ema == EMA_ONLY else "", "pruned" if work.prune else ""]
    converted = entries[0].model.path.suffix != SUFFIX
    return "-".join([first, *filter(None, marks)]) if any(marks) or converted else f"{first}-copy"


def _has_ema(headers: Sequence[Header]) -> bool:
    return any(name.startswith(EMA) for header in headers for name in header.tensors)
