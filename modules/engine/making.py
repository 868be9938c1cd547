"""New model files made of others: converted, merged, with VAEs and LoRAs baked in, or a VAE taken out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..catalog.beside import beside, companions, stem_of
from ..catalog.hashing import HashCache
from ..catalog.header import Header
from ..catalog.open import read_tensors
from ..catalog.outcome import planned, source
from ..catalog.recipe import metadata_of
from ..catalog.single_file import read_as_single_file
from ..core.events import Event, ModelMade, Noticed, Step
from ..core.model_work import CONVERT, EXTRACT_VAE, ModelWork
from ..core.stop import StopToken
from ..weights.lora.bake import Baking
from ..weights.lora.file import read_lora
from ..weights.lora.merge import Wanted
from ..weights.mixing import Mixture
from ..weights.writing import write_safetensors

Emit = Callable[[Event], None]
UNIT = 1 << 20  # bytes: what is counted as a step


def make_model(job: str, work: ModelWork, hashes: HashCache, emit: Emit, stop: StopToken) -> None:
    """Makes the file that `work` describes, told as `ModelMade`. At no time is more than a few tensors in memory.

    Raises Stopped when interrupted, UserError when it cannot be made; nothing is left of it then.
    """
    target = Path(work.target)
    models = [source(read_as_single_file(Path(path))) for path in work.models]
    vae = read_tensors(Path(work.vae)) if work.vae else None
    plan = planned(work, models, vae)
    baking = _baking(job, work, models[0].header, emit)
    used = [Path(path) for path in (*work.models, *filter(None, [work.vae]), *(one.name for one in work.loras))]
    known = {path: hashes.sha256(path, check=stop.check) for path in used}
    mixture = Mixture(plan, work, [model.header for model in models], vae, baking)
    write_safetensors(
        target,
        plan,
        metadata_of(work, models, known),
        mixture,
        report=partial(_report, job, emit, stop),
        written=mixture.let_go,
    )
    if mixture.cut:
        text = f"{mixture.cut:,} numbers were too large for {work.dtype} and were cut to its largest one."
        emit(Noticed(job, f"{target.name}: {text}"))
    _take_along(job, work, target, emit)
    emit(ModelMade(job, str(target)))


def _baking(job: str, work: ModelWork, header: Header, emit: Emit) -> Baking | None:
    """What the LoRAs change in A's tensors."""
    if not work.loras:
        return None
    wanted = []
    for one in work.loras:
        unet = one.weight if one.unet is None else one.unet
        wanted.append(Wanted(read_lora(Path(one.name)), one.weight, unet))
    baking = Baking(header, wanted)
    for remark in baking.remarks:
        emit(Noticed(job, remark))
    return baking


def _report(job: str, emit: Emit, stop: StopToken, done: int, size: int) -> None:
    """Tells how far the writing is, and ends it when somebody wants that."""
    stop.check()
    emit(Step(job, done // UNIT, max(1, size // UNIT), 0, 0, 1))


def _take_along(job: str, work: ModelWork, target: Path, emit: Emit) -> None:
    """Copies the files beside A: of a model that is only converted all, of others the `.yaml` alone."""
    first = Path(work.first)
    files = companions(first) if work.tool == CONVERT else [beside(first, ".yaml")]
    for file in files if work.tool != EXTRACT_VAE else ():
        copy = beside(target, file.name[len(stem_of(first)) :])
        if file.is_file() and not copy.exists():
            try:
                shutil.copyfile(file, copy)
            except OSError as error:
                emit(Noticed(job, f"{file.name} could not be copied to {target.parent}: {error.strerror}."))
