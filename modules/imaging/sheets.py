"""What scripts collect for a sheet of many pictures, and how such a sheet becomes a picture of the job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from ..core import infotext
from ..core.errors import UserError
from ..core.pictures import Facts, Picture
from ..core.request import GenerationRequest
from .files import read_bytes
from .grids import grid, grid_shape
from .incoming import plain_pixels
from .metadata import read_parameters


class Cells:
    """The pictures of a script's cells, by cell. Each has `each` pictures: a cell of several shows them as a grid.

    `done` are the files that an earlier job made, by the index of the picture: cells that are whole there are taken
    over; those whose files cannot be read any more are painted again.
    """

    def __init__(self, each: int, done: Mapping[str, str]) -> None:
        self._each, self._done = each, done
        self._pictures: dict[int, numpy.ndarray] = {}
        self.text = ""

    @property
    def any(self) -> bool:
        """Whether at least one cell has a picture."""
        return bool(self._pictures)

    def has(self, cell: int) -> bool:
        """Whether the cell was made by an earlier job; it is taken over."""
        paths = [self._done.get(str(cell * self._each + number)) for number in range(self._each)]
        if not all(paths):
            return False
        try:
            contents = [read_bytes(Path(path)) for path in paths]
            self._put(cell, [plain_pixels(content)[..., :3] for content in contents])
        except UserError:  # moved or thrown away since
            return False
        self._first_text(read_parameters(contents[0]) or "")
        return True

    def put(self, cell: int, pictures: Sequence[Picture]) -> None:
        """What a part gave; nothing when it was skipped or failed."""
        if pictures:
            self._put(cell, [picture.pixels for picture in pictures])
            self._first_text(pictures[0].infotext)

    def picture(self, cell: int) -> numpy.ndarray | None:
        return self._pictures.get(cell)

    def _put(self, cell: int, pixels: Sequence[numpy.ndarray]) -> None:
        shown = pixels[0] if len(pixels) == 1 else grid(pixels, grid_shape(len(pixels)))
        self._pictures[cell] = numpy.ascontiguousarray(shown)

    def _first_text(self, text: str) -> None:
        self.text = self.text or text


def tell_grid(
    run: Any,
    request: GenerationRequest,
    sheet: numpy.ndarray,
    kind: str,
    index: int,
    text: str,
    notes: Mapping[str, Any],
) -> None:
    """Gives the job of `request` a grid, uint8 (h, w, 3), with its first cell's settings text and `notes` added."""
    facts = Facts(request.seed, notes=notes)
    run.made(Picture(sheet, index, request, facts, infotext.appended(text, notes), kind, grid=True))
