"""Finished pictures made larger and restored, without a checkpoint: what the Extras tab asks for."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy
from PIL import Image

from ..core import infotext
from ..core.errors import Stopped, UserError
from ..core.events import Preview, Step
from ..core.hooks import Hooks
from ..core.pictures import Facts, Picture
from ..core.sections.extras import NO_UPSCALER
from ..imaging.extras import Sizes, sizes_of
from .finish import Draft
from .parts import left_out, opened
from .run import Run
from .sample import Previews
from .upscale import Upscalers, sized

PREVIEW = 768  # pixels of its longer side


@dataclass(frozen=True)
class Layer:
    """One upscaler at work: its result is seen as much as `visibility` says, over what was there before."""

    upscaler: str
    size: tuple[int, int]
    visibility: float = 1.0


def extras(run: Run, upscalers: Upscalers, hooks: Hooks, previews: Previews) -> Iterator[Picture]:
    """The pictures that `run.request` names, each made as large as it says. Raises Stopped when interrupted.

    What is wrong with one file of several costs that file alone.
    """
    names = run.request.files or (run.request.init_image,)
    for index, name in enumerate(names):
        try:
            run.stop.check()
            yield _processed(run, index, name, upscalers, hooks, previews)
        except UserError as error:
            if len(names) == 1:
                raise
            left_out(run, name.replace("\\", "/").rpartition("/")[2], error)
        except Stopped:
            if run.stop.interrupted:
                raise
            run.stop.next_batch()


def _processed(run: Run, index: int, name: str, upscalers: Upscalers, hooks: Hooks, previews: Previews) -> Picture:
    """One file or kept picture, from its pixels to the picture that is saved."""
    pixels, text, source = opened(run, name)
    size = pixels.shape[1], pixels.shape[0]
    sizes = sizes_of(run.request, *size)
    if previews.every():
        run.emit(Preview(run.job, _jpeg(pixels), *sizes.result))
    colours = _laid(run, index, numpy.ascontiguousarray(pixels[..., :3]), _steps(run, sizes, size), upscalers)
    if pixels.shape[2] == 4:
        colours = numpy.dstack([colours, sized(pixels[..., 3], *sizes.scaled)])
    result = colours[sizes.crop].copy()
    return _finished(
        run, Draft(result, index, "", -1, _notes(run, sizes)), text, "" if source == name else source, hooks
    )


def _steps(run: Run, sizes: Sizes, size: tuple[int, int]) -> list[list[Layer]]:
    """The steps in their order. Layers of one step work on the same picture; their results are laid over each other."""
    request, enlarging, restoring = run.request, [], []
    if request.upscaler_1 != NO_UPSCALER:
        enlarging.append(Layer(request.upscaler_1, sizes.scaled))
    if request.upscaler_2 != NO_UPSCALER and request.extras_upscaler_2_visibility > 0:
        enlarging.append(Layer(request.upscaler_2, sizes.scaled, request.extras_upscaler_2_visibility))
    if request.restorer != NO_UPSCALER and request.restorer_visibility > 0:
        place = sizes.scaled if request.upscale_first else size
        restoring.append(Layer(request.restorer, place, request.restorer_visibility))
    return [enlarging, restoring] if request.upscale_first else [restoring, enlarging]


def _laid(
    run: Run, index: int, picture: numpy.ndarray, steps: list[list[Layer]], upscalers: Upscalers
) -> numpy.ndarray:
    """What the steps make of a picture, uint8 (h, w, 3). Every tile is told."""
    tiles = {"tile": run.request.upscale_tile, "overlap": run.request.upscale_overlap}
    size, counts = (picture.shape[1], picture.shape[0]), {}
    for layers in steps:
        counts |= {layer: upscalers.tiles(layer.upscaler, size, layer.size, **tiles) for layer in layers}
        size = layers[0].size if layers else size
    done, total = 0, sum(counts[layer] for layers in steps for layer in layers)
    for layers in steps:
        before = picture
        for layer in layers:
            tell = partial(_tell, run, index, done, total)
            run.stop.check()
            result = upscalers.upscaled(before, layer.upscaler, *layer.size, report=tell, check=run.stop.check, **tiles)
            picture = _blended(sized(picture, *layer.size), result, layer.visibility)
            done += counts[layer]
    return picture


def _tell(run: Run, index: int, before: int, total: int, done: int, _: int) -> None:
    """Says how many tiles of a picture are done."""
    run.emit(Step(run.job, before + done, total, index, index, run.pictures))


def _blended(below: numpy.ndarray, above: numpy.ndarray, visibility: float) -> numpy.ndarray:
    if visibility == 1:
        return above
    mixed = below.astype(numpy.float32) * (1 - visibility) + above.astype(numpy.float32) * visibility
    return numpy.rint(mixed).astype(numpy.uint8)


def _notes(run: Run, sizes: Sizes) -> dict[str, Any]:
    """What is written about a picture: A1111's keys."""
    request, notes = run.request, {}
    if request.enlarges and request.scales_to:
        notes["Postprocess upscale to"] = "{}x{}".format(*sizes.scaled)
        if sizes.result != sizes.scaled:
            notes["Postprocess crop to"] = "{}x{}".format(*sizes.result)
    elif request.enlarges:
        notes["Postprocess upscale by"] = request.upscaling_resize
    if request.enlarges:
        notes["Postprocess upscaler"] = request.upscaler_1
    if request.upscaler_2 != NO_UPSCALER:
        notes["Postprocess upscaler 2"] = request.upscaler_2
        notes["Postprocess upscaler 2 visibility"] = request.extras_upscaler_2_visibility
    if request.restorer != NO_UPSCALER:
        notes["Postprocess restoration model"] = request.restorer
        notes["Postprocess restoration visibility"] = request.restorer_visibility
        if request.upscale_first:
            notes["Postprocess upscale first"] = True
    return notes


def _finished(run: Run, draft: Draft, text: str, source: str, hooks: Hooks) -> Picture:
    """The picture with the story that it came with, and what was done to it."""
    told = infotext.read(text)
    draft.prompt, draft.seed = told.values.get("prompt", ""), told.values.get("seed", -1)
    hooks.call("picture_ready", run=run, draft=draft)
    words = {"prompt": draft.prompt, "negative_prompt": told.values.get("negative_prompt", ""), "seed": draft.seed}
    facts = Facts(
        draft.seed,
        model=told.model[0],
        model_hash=told.model[1],
        vae=told.vae[0],
        vae_hash=told.vae[1],
        seconds=time.perf_counter() - run.began,
        notes=draft.notes,
    )
    request = run.request.model_copy(update=words)
    return Picture(draft.pixels, draft.index, request, facts, infotext.appended(text, draft.notes), source)


def _jpeg(pixels: numpy.ndarray) -> bytes:
    """How the picture looks before, small."""
    image = Image.fromarray(numpy.ascontiguousarray(pixels[..., :3]))
    image.thumbnail((PREVIEW, PREVIEW))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()
