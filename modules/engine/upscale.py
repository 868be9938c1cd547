"""Pictures made larger: by a registered function, or by a network of a file, tile by tile."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy
import torch
from PIL import Image

from ..catalog.scan import ModelFile, find_upscaler, scan_upscalers
from ..core.errors import UserError
from ..core.registry import UPSCALERS
from ..imaging.mosaic import Grid, mosaic
from ..imaging.resize import lanczos
from ..imaging.upscale import MOST_PIXELS, check_size
from ..weights.precision import Precision
from ..weights.upscalers import Upscaling, load_upscaler

TILE, OVERLAP = 256, 32  # pixels of the picture that is enlarged
SMALLEST_TILE = 64
MOST_LOADED = 2

Report = Callable[[int, int], None]
"""`report(done, total)`: how many tiles are done."""
Check = Callable[[], None]
"""Called very often; what it raises ends the work."""


def unheard(done: int, total: int) -> None:
    """For work that nobody watches."""


def unasked() -> None:
    """For work that nobody ends."""


class Upscalers:
    """The upscalers of an engine. The networks used last stay in memory. Used by the engine's thread alone."""

    def __init__(self, models: Path, precision: Precision) -> None:
        """`models`: the folder below which upscalers have theirs."""
        self._models, self._precision = models, precision
        self._loaded: dict[tuple[Path, int, int], Upscaling] = {}

    def upscaled(
        self,
        picture: numpy.ndarray,
        name: str,
        width: int,
        height: int,
        *,
        tile: int = TILE,
        overlap: int = OVERLAP,
        report: Report = unheard,
        check: Check = unasked,
    ) -> numpy.ndarray:
        """The picture, uint8 (h, w, 3), at exactly `width` x `height`, by the upscaler called `name`.

        `tile` (0: no tiles) and `overlap` in pixels of the picture. Raises UserError when there is no such upscaler,
        its file is broken, or the result would be too large.
        """
        check_size(width, height)
        if name in UPSCALERS:
            report(0, 1)
            result = numpy.asarray(UPSCALERS.get(name).function(picture, width, height))
            report(1, 1)
            return sized(result, width, height)
        network, done, size = self._opened(name), 0, (picture.shape[1], picture.shape[0])
        total = self.tiles(name, size, (width, height), tile=tile, overlap=overlap)
        for given in planned(size, (width, height), network.scale):
            tell = partial(_tell, report, done, total)
            with network.watched(check):
                picture = enlarged(sized(picture, *given), network, tile, overlap, tell)
            done += len(grid_of(given, tile, overlap))
        return sized(picture, width, height)

    def tiles(
        self, name: str, size: tuple[int, int], to: tuple[int, int], *, tile: int = TILE, overlap: int = OVERLAP
    ) -> int:
        """How many tiles `upscaled` will report for a picture of that width and height. Raises UserError."""
        if name in UPSCALERS:
            return 1
        return sum(len(grid_of(one, tile, overlap)) for one in planned(size, to, self._opened(name).scale))

    def names(self) -> list[str]:
        """All that `upscaled` takes: registered ones, then files."""
        return [*UPSCALERS.names(), *(file.name for file in self._files() if not file.problem)]

    def close(self) -> None:
        self._loaded.clear()

    def _files(self) -> list[ModelFile]:
        return scan_upscalers(self._models)

    def _opened(self, name: str) -> Upscaling:
        """The network of a file, from memory if it is there. Raises UserError."""
        files = self._files()
        if not files:
            raise UserError(f"There is no upscaler called {name!r}.", hint="Put its file into models/ESRGAN.")
        file = find_upscaler(files, name)
        if file.problem:
            raise UserError(file.problem)
        key = (file.path, file.size, file.mtime_ns)
        if key not in self._loaded:
            while len(self._loaded) >= MOST_LOADED:
                del self._loaded[next(iter(self._loaded))]
            self._loaded[key] = load_upscaler(file.path, self._precision.device, self._precision.dtype)
        return self._loaded[key]


def enlarged(
    picture: numpy.ndarray, network: Upscaling, tile: int = TILE, overlap: int = OVERLAP, report: Report = unheard
) -> numpy.ndarray:
    """The picture, uint8 (h, w, 3), as large as the network makes it; by smaller tiles where memory is short."""
    size = picture.shape[1], picture.shape[0]
    grid, done = grid_of(size, tile, overlap), 0

    def paint(part: numpy.ndarray) -> numpy.ndarray:
        nonlocal done
        report(done, len(grid))
        result = network(part)
        done += 1
        return result

    try:
        result = mosaic(picture, grid, paint, network.scale)
    except torch.OutOfMemoryError:
        smaller = (tile or max(size)) // 2
        if smaller < SMALLEST_TILE:
            raise
        torch.cuda.empty_cache()
        return enlarged(picture, network, smaller, overlap, report)
    report(len(grid), len(grid))
    return result


def grid_of(size: tuple[int, int], tile: int, overlap: int) -> Grid:
    """The tiles of a picture of that width and height; one tile where `tile` is 0."""
    return Grid(*size, tile or size[0], tile or size[1], overlap)


def planned(size: tuple[int, int], to: tuple[int, int], scale: int) -> list[tuple[int, int]]:
    """The sizes at which a network is given a picture, pass after pass, until its result is as large as wanted.

    From the second pass on it is first shrunk so far that the result is no larger: the time goes with the pixels.
    """
    most = math.sqrt(MOST_PIXELS / (size[0] * size[1])) / scale
    sizes = [_shrunk(size, min(1.0, most))]
    while scale > 1 and (sizes[-1][0] * scale < to[0] or sizes[-1][1] * scale < to[1]):
        made = sizes[-1][0] * scale, sizes[-1][1] * scale
        sizes.append(_shrunk(made, min(1.0, max(to[0] / made[0], to[1] / made[1]) / scale)))
    return sizes


def sized(picture: numpy.ndarray, width: int, height: int) -> numpy.ndarray:
    """The picture at exactly that size, by Lanczos where it is not."""
    if picture.shape[:2] == (height, width):
        return picture
    return numpy.asarray(lanczos(Image.fromarray(picture), width, height))


def _tell(report: Report, before: int, total: int, done: int, _: int) -> None:
    """Reports what one pass of several has done; with smaller tiles than planned there are more of them."""
    report(min(before + done, total), total)


def _shrunk(size: tuple[int, int], share: float) -> tuple[int, int]:
    return math.ceil(size[0] * share), math.ceil(size[1] * share)
