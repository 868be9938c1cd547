"""Jobs that are done in several parts: one file after another, or each result as the start of the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy

from ..core import infotext
from ..core.errors import UserError
from ..core.events import Noticed
from ..core.pictures import Picture
from ..core.request import GenerationRequest
from ..core.scripts import Part, chosen
from ..core.sections.mask import ORIGINAL
from ..core.sections.repeat import AGGRESSIVE, LAZY, TEXT_PARTS
from ..diffusion.schedules import schedule_names
from ..imaging.files import read_bytes
from ..imaging.incoming import plain_pixels
from ..imaging.metadata import read_parameters
from ..imaging.scene import size_of_result
from .run import Run, nobody_hears

TAKEN = dict(zip(TEXT_PARTS, ("prompt", "negative_prompt", "seed", "cfg_scale", "sampler", "steps", ""), strict=True))


def parts(run: Run) -> Iterator[None]:
    """Sets `run` to one part of its job after another: most jobs have just one. `run.latest` is to be each picture
    that comes out. In the end the request is the whole one again.
    """
    whole, inputs = run.request, run.inputs
    try:
        if whole.scripts:
            yield from _script(run, whole)
        else:
            yield from _plain(run, whole, first=0)
    finally:
        run.request, run.inputs, run.source, run.continued = whole, inputs, "", None


def _script(run: Run, whole: GenerationRequest) -> Iterator[None]:
    """The parts that a script asks for. It is sent the pictures of each; when the job ends early, it is closed."""
    script, arguments = chosen(whole)
    inputs, made = run.inputs, run.made
    run.request = whole.model_copy(update={"scripts": {}})
    steps, pictures = script.function(run, arguments), None
    try:
        while True:
            run.stop.check()
            part: Part = steps.send(pictures)
            pictures = []
            run.part, run.made = part.name, _collecting(pictures, made if part.kept else nobody_hears)
            run.inputs = lambda picture, own=part.pictures: own[picture] if picture in own else inputs(picture)
            yield from _plain(run, _sized(run, part.request), part.first)
    except StopIteration:
        return
    finally:
        run.inputs, run.made, run.part = inputs, made, ""
        steps.close()


def _collecting(pictures: list[Picture], also: Callable[[Picture], None]) -> Callable[[Picture], None]:
    def made(picture: Picture) -> None:
        pictures.append(picture)
        also(picture)

    return made


def _sized(run: Run, request: GenerationRequest) -> GenerationRequest:
    """The request with the size that its picture gives it: a script may have changed what that is."""
    if request.files or not request.init_image:
        return request
    height, width = run.inputs(request.init_image).shape[:2]
    return request.checked({**request.model_dump(), **size_of_result(request, width, height)})


def _plain(run: Run, whole: GenerationRequest, first: int) -> Iterator[None]:
    """The parts of a request without a script. `first`: index of its first picture."""
    if whole.files:
        yield from _files(run, whole, first)
    else:
        yield from _loops(run, whole, first)


def _files(run: Run, whole: GenerationRequest, first: int) -> Iterator[None]:
    """The parts for each file of a batch. One that cannot be read is left out, and said so."""
    inputs, each = run.inputs, whole.pictures // len(whole.files)
    for number, name in enumerate(whole.files):
        run.stop.check()
        key, masked = f"file {number + 1}", f"mask {number + 1}"
        try:
            pixels, text, run.source = opened(run, name)
            own = {key: pixels}
            if whole.mask_files:
                own[masked] = opened(run, mask_for(name, whole.mask_files))[0]
            request = _about(whole, pixels, text)
        except UserError as error:
            left_out(run, Path(name).name, error)
            continue
        run.inputs = lambda picture, own=own: own[picture] if picture in own else inputs(picture)
        named = {"init_image": key, "mask": masked if masked in own else whole.mask}
        request = request.model_copy(update={**named, "batch_files": "", "batch_masks": ""})
        yield from _loops(run, request, first + number * each)


def mask_for(name: str, masks: Sequence[str]) -> str:
    """Which of the masks is meant for a file: the only one that there is, else the one that is named like it.

    Raises UserError when there is none.
    """
    for mask in masks:
        if len(masks) == 1 or Path(mask).stem == Path(name).stem:
            return mask
    raise UserError("No mask is named like it.", hint="Name each mask like its picture, or give a single one for all.")


def left_out(run: Run, file: str, error: UserError) -> None:
    """Says that one file of a batch is not painted."""
    run.emit(Noticed(run.job, f"{file} is left out. {error}"))


def _loops(run: Run, request: GenerationRequest, first: int) -> Iterator[None]:
    """One part, or with loopback one for each loop of each picture. `first`: index of the first picture."""
    if not request.loops:
        run.request, run.first = request, first
        yield
        return
    for chain in range(request.batch_size * request.batch_count):
        run.continued = None
        for loop in range(request.loopback):
            done = chain * request.loopback + loop
            run.latest, run.first, run.request = None, first + done, _looped(request, loop, done)
            yield
            if run.latest is None or run.original is None:  # it was skipped
                break
            run.continued = run.original.scene.continued(run.latest.pixels)
    run.continued = None


def _looped(request: GenerationRequest, loop: int, done: int) -> GenerationRequest:
    """The request of one loop, both numbers from 0: a new seed each time; later ones start from what is there."""
    seed, subseed = request.seeds_of(done)
    changes = {"seed": seed, "subseed": subseed, "denoising_strength": strength_of(request, loop)}
    content = request.masked_content if loop == 0 else ORIGINAL
    return request.model_copy(update={**changes, "masked_content": content, "batch_size": 1, "batch_count": 1})


def strength_of(request: GenerationRequest, loop: int) -> float:
    """The denoising strength of a loop, counted from 0: from the request's own to its final one, along its curve."""
    way = loop / (request.loopback - 1)
    if request.denoising_curve == AGGRESSIVE:
        way = math.sin(way * math.pi / 2)
    elif request.denoising_curve == LAZY:
        way = 1 - math.cos(way * math.pi / 2)
    return request.denoising_strength + (request.final_denoising_strength - request.denoising_strength) * way


def opened(run: Run, name: str) -> tuple[numpy.ndarray, str, str]:
    """Pixels, settings text and plain name of a file or a kept picture. Raises UserError."""
    path = Path(name)
    if not path.is_absolute():
        return run.inputs(name), run.texts(name), name
    content = read_bytes(path)
    return plain_pixels(content), read_parameters(content) or "", path.stem


def _about(request: GenerationRequest, pixels: numpy.ndarray, text: str) -> GenerationRequest:
    """The request for one file: its size, and what is to be taken from its text. Raises UserError."""
    changes: dict[str, Any] = {}
    wanted = [part.strip().casefold() for part in request.batch_png_info.split(",") if part.strip()]
    pasted = infotext.read(text, schedule_names()) if text and wanted else None
    for part, field in TAKEN.items() if pasted else ():
        if part.casefold() not in wanted:
            continue
        if not field and pasted.model != ("", ""):
            changes["checkpoint"] = pasted.model[1] or pasted.model[0]
        elif field in ("prompt", "negative_prompt"):
            own, added = getattr(request, field), pasted.values.get(field, "")
            changes[field] = f"{own} {added}".strip()
        elif field in pasted.values:
            changes[field] = pasted.values[field]
            if field == "sampler" and "schedule" in pasted.values:
                changes["schedule"] = pasted.values["schedule"]
    height, width = pixels.shape[:2]
    changed = request.checked({**request.model_dump(exclude_unset=True), **changes})
    return changed.checked({**changed.model_dump(exclude_unset=True), **size_of_result(changed, width, height)})
