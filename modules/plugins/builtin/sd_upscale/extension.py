"""SD upscale: the picture is enlarged by an upscaler and painted over tile by tile, without seams."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy

from modules.core import infotext
from modules.core.params import IMG2IMG
from modules.core.pictures import Picture
from modules.core.request import GenerationRequest
from modules.core.scripts import DONE, Check, Parts, one_part
from modules.core.sections.extras import NO_UPSCALER
from modules.imaging.files import read_bytes
from modules.imaging.incoming import plain_pixels
from modules.imaging.mosaic import Grid, mosaic
from modules.imaging.scene import flattened
from modules.imaging.upscale import check_size
from modules.plugins.api import Field, Part, UserError, changed, script

TILE = "tile"
SEEDS = 2**32
STEP = 8  # pixels that the sides of a tile are multiples of


def prepare(request: GenerationRequest, arguments: Mapping[str, Any], check: Check) -> dict[str, Any]:
    """Refuses what does not go together."""
    if request.has_mask:
        raise UserError("SD upscale paints the whole picture, but there is a mask.", hint="Remove the mask.")
    if request.loops:
        raise UserError("SD upscale cannot be looped back.", hint="Set Loops to 1.")
    return one_part(request, arguments, check)


@script(
    "SD upscale",
    Field(
        "overlap",
        64,
        label="Tile overlap",
        ge=0,
        le=512,
        slider=(0, 256, 16),
        help="How much neighbouring tiles share: one gives way to the other there.",
    ),
    Field("upscaler", "Lanczos", label="Upscaler", choices="upscalers", help="What enlarges the picture beforehand."),
    Field(
        "scale_factor",
        2.0,
        label="Scale factor",
        ge=1,
        le=16,
        slider=(1, 4, 0.05),
        help="How many times wider and higher it becomes. The tiles are as large as width and height say.",
    ),
    prepare=prepare,
    tabs=(IMG2IMG,),
)
def sd_upscale(run: Any, arguments: Mapping[str, Any]) -> Parts:
    """For each picture to start from, and each that is wanted of it: all tiles are painted, then joined."""
    whole, made = run.request, run.made
    run.notes |= {"SD upscale overlap": arguments["overlap"], "SD upscale upscaler": arguments["upscaler"]}
    each = whole.batch_size * whole.batch_count
    for place, (pixels, source) in enumerate(_sources(run, whole)):
        enlarged = _enlarged(run, pixels, arguments)
        for number in range(each):
            index = place * each + number
            if str(index) in arguments.get(DONE, {}):
                continue
            request = whole.for_picture(number)
            painted = yield from _painted(run, request, enlarged, arguments["overlap"], index, whole.pictures)
            made(replace(_story(painted, pixels), index=index, source=source))


def _sources(run: Any, whole: GenerationRequest) -> Iterator[tuple[numpy.ndarray, str]]:
    """The pictures to start from, uint8 (h, w, 3), and the plain names of those that are files."""
    for name in whole.files or (whole.init_image,):
        path = Path(name)
        pixels = plain_pixels(read_bytes(path)) if path.is_absolute() else run.inputs(name)
        yield flattened(pixels, whole.img2img_background_color), path.stem if path.is_absolute() else ""


def _enlarged(run: Any, pixels: numpy.ndarray, arguments: Mapping[str, Any]) -> numpy.ndarray:
    """The picture as large as it will be. Without an upscaler it keeps its size."""
    if arguments["upscaler"] == NO_UPSCALER:
        return pixels
    height, width = (int(side * arguments["scale_factor"]) for side in pixels.shape[:2])
    check_size(width, height)
    return run.upscaled(numpy.ascontiguousarray(pixels), arguments["upscaler"], width, height)


def _painted(
    run: Any, request: GenerationRequest, picture: numpy.ndarray, overlap: int, index: int, results: int
) -> Any:
    """Paints a picture over, tile by tile: a `Picture` of the whole, which tells what the first tile tells. It is the
    `index`-th of several `results`, which are told as if all had as many tiles.
    """
    height, width = picture.shape[:2]
    tile_width, tile_height = _side(width, request.width), _side(height, request.height)
    spare = ((0, max(0, tile_height - height)), (0, max(0, tile_width - width)), (0, 0))
    picture = numpy.pad(picture, spare, mode="edge")
    grid = Grid(picture.shape[1], picture.shape[0], tile_width, tile_height, overlap)
    tiles = [picture[top:bottom, left:right] for top, bottom in grid.rows for left, right in grid.columns]
    run.pictures = len(tiles) * results
    first: Picture | None = None
    for number, tile in enumerate(tiles):
        at, name = index * len(tiles) + number, f"tile {number + 1}"
        pictures = yield Part(_of_tile(request, tile, number), at, name, kept=False, pictures={TILE: tile})
        if pictures:
            first = first or pictures[0]
            tiles[number] = pictures[0].pixels
    if first is None:
        raise UserError("No tile of the picture could be painted.", hint="The notices say why.")
    left = iter(tiles)
    return replace(first, pixels=mosaic(picture, grid, lambda _: next(left))[:height, :width].copy())


def _side(length: int, tile: int) -> int:
    """One side of a tile: as it is set, but no longer than a small picture needs."""
    return min(tile, max(64, -(-length // STEP) * STEP))


def _of_tile(request: GenerationRequest, tile: numpy.ndarray, number: int) -> GenerationRequest:
    """The request that paints one tile: each with a seed of its own, or all would get the same pattern."""
    height, width = tile.shape[:2]
    return changed(
        request,
        init_image=TILE,
        batch_files="",
        width=width,
        height=height,
        resize_scale=0,
        resize_mode="Just resize",
        seed=(request.seed + number) % SEEDS,
        batch_size=1,
        batch_count=1,
    )


def _story(picture: Picture, original: numpy.ndarray) -> Picture:
    """The picture with the text of what it was made from, rather than of its first tile."""
    digest = hashlib.md5(original.tobytes(), usedforsecurity=False).hexdigest()
    facts = replace(picture.facts, notes={**picture.facts.notes, "Init image hash": digest})
    return replace(picture, facts=facts, infotext=infotext.write(picture.request, facts))
