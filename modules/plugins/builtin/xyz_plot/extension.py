"""X/Y/Z plot: the same request with other values of one, two or three parameters, beside each other in a grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from modules.core.request import GenerationRequest
from modules.core.scripts import DONE, PICTURES, RESULTS, Arguments, Check, Parts
from modules.imaging.labels import labelled_grid
from modules.imaging.sheets import Cells, tell_grid
from modules.plugins.api import Field, Part, UserError, changed, script

from .axes import NOTHING, STYLES, Axis, axes, axis_called, bound, style_words, with_words
from .values import joined

MOST_MEGAPIXELS = 200
LETTERS = ("x", "y", "z")
WORDS = "_style_words"


def axis_fields(letter: str, default: str = NOTHING) -> tuple[Any, Any]:
    name = letter.upper()
    return (
        Field(f"{letter}_type", default, label=f"{name} type", infotext=f"{name} Type", choices="axes"),
        Field(
            f"{letter}_values",
            "",
            label=f"{name} values",
            infotext=f"{name} Values",
            max_length=20_000,
            help="1, 2, 3 or 1-10 or 1-10 (+3) or 1-10 [5]." if letter == "x" else "",
        ),
    )


FIELDS = (
    *axis_fields("x", "CFG Scale"),
    *axis_fields("y"),
    *axis_fields("z"),
    Field("draw_legend", True, label="Draw legend", help="The values beside rows and columns."),
    Field("include_lone_images", True, label="Keep single pictures", help="Off: only grids; they cannot be resumed."),
    Field("include_sub_grids", False, label="Keep sub grids", help="One for every value of Z, besides the whole."),
    Field("no_fixed_seeds", False, label="New seed for every cell", help="A1111's 'Keep -1 for seeds'."),
    Field("vary_seeds_x", False, label="Vary seeds for X", help="The seed rises by one with every value of X."),
    Field("vary_seeds_y", False, label="Vary seeds for Y"),
    Field("vary_seeds_z", False, label="Vary seeds for Z"),
    Field("margin_size", 0, label="Grid margins (px)", ge=0, le=500, slider=(0, 100, 2)),
)


@dataclass(frozen=True)
class Dimension:
    """An axis with its values as they are painted."""

    axis: Axis
    values: tuple[str, ...]

    @property
    def titles(self) -> list[str]:
        return [self.axis.title(value) if self.axis.name != NOTHING else "" for value in self.values]


def dimensions(arguments: Arguments) -> list[Dimension]:
    """X, Y and Z of checked arguments."""
    found = []
    for letter in LETTERS:
        text = arguments[f"{letter}_values"]
        axis = bound(axis_called(arguments[f"{letter}_type"]), text)
        if axis.name == STYLES and WORDS in arguments:
            axis = with_words(arguments[WORDS])
        found.append(Dimension(axis, tuple(axis.values(text))))
    return found


def prepared(request: GenerationRequest, arguments: Arguments, check: Check) -> dict[str, Any]:
    """The values checked, each with its axis, as they are called here; seeds drawn."""
    given = dict(arguments)
    for letter in LETTERS:
        axis = bound(axis_called(given[f"{letter}_type"]), given[f"{letter}_values"])
        given[f"{letter}_type"] = axis.name
        if axis.name == NOTHING:
            given[f"{letter}_values"] = ""
            continue
        values = axis.read(given[f"{letter}_values"], request, check)
        if axis.name != "Prompt order":  # its values are words; their orders are made anew
            given[f"{letter}_values"] = joined(values)
        if axis.name == STYLES:
            given[WORDS] = {value: style_words(value, check) for value in values}
    three = dimensions(given)
    _can_be_drawn(request, three, given)
    cells = len(three[0].values) * len(three[1].values) * len(three[2].values)
    grids = 1 + (len(three[2].values) if _has_sub_grids(three, given) else 0)
    each = request.pictures
    return {**given, PICTURES: cells * each, RESULTS: cells * each * given["include_lone_images"] + grids}


def _can_be_drawn(request: GenerationRequest, three: Sequence[Dimension], arguments: Arguments) -> None:
    names = [one.axis.name for one in three if one.axis.name != NOTHING]
    if not names:
        raise UserError("Nothing is to be plotted.", hint="Choose what X is.")
    for name in names:
        if names.count(name) > 1 and name != "Prompt S/R":
            raise UserError(f"Two axes are {name}.", hint="Choose another one for one of them.")
    larger = max(1.0, request.hr_scale) if request.enable_hr else 1.0
    width, height = (_largest(name, request, three) for name in ("width", "height"))
    pixels = width * height * larger**2 * request.pictures
    for one in three:
        pixels *= len(one.values)
    if pixels > MOST_MEGAPIXELS * 1e6:
        counts = " x ".join(str(len(one.values)) for one in three)
        raise UserError(
            f"A grid of {counts} pictures would have {pixels / 1e6:,.0f} million pixels; at most {MOST_MEGAPIXELS} "
            "can be drawn.",
            hint="Take fewer values, or smaller pictures.",
        )


def _largest(side: str, request: GenerationRequest, three: Sequence[Dimension]) -> int:
    """The largest width or height of a cell."""
    sized = [one for one in three if one.axis.name in ("Size", "Width", "Height")]
    changes = [one.axis.change(request, value) for one in sized for value in one.values]
    return max(int(fields.get(side, getattr(request, side))) for fields in ({}, *changes))


def _has_sub_grids(three: Sequence[Dimension], arguments: Arguments) -> bool:
    return arguments["include_sub_grids"] and len(three[2].values) > 1


@script("X/Y/Z plot", *FIELDS, prepare=prepared, lists={"axes": lambda: tuple(axes())})
def xyz_plot(run: Any, arguments: Arguments) -> Parts:
    """A part for every cell; what is dear to change is changed least often. In the end, or when the job is stopped, a
    grid of what is there.
    """
    three, request = dimensions(arguments), run.request
    cells = Cells(request.pictures, arguments.get(DONE, {}))
    try:
        for place in _order(three):
            index = _index(place, three)
            if cells.has(index):
                continue
            cell = _cell_request(request, three, place, index * request.pictures, arguments)
            name = ", ".join(one.titles[at] for one, at in zip(three, place, strict=True) if one.axis.name != NOTHING)
            part = Part(cell, index * request.pictures, name, kept=arguments["include_lone_images"])
            cells.put(index, (yield part))
    finally:
        _tell_grids(run, request, cells, three, arguments)


def _order(three: Sequence[Dimension]) -> Iterator[tuple[int, int, int]]:
    """The places (x, y, z) in the order of painting: dear axes outside; among equals Z outside and X inside."""
    outside = sorted(range(3), key=lambda number: (-three[number].axis.cost, -number))
    counts = [len(three[number].values) for number in outside]
    for nested in numpy.ndindex(*counts):
        place = dict(zip(outside, nested, strict=True))
        yield place[0], place[1], place[2]


def _index(place: tuple[int, int, int], three: Sequence[Dimension]) -> int:
    x, y, z = place
    return (z * len(three[1].values) + y) * len(three[0].values) + x


def _cell_request(
    request: GenerationRequest,
    three: Sequence[Dimension],
    place: tuple[int, int, int],
    pictures_before: int,
    arguments: Arguments,
) -> GenerationRequest:
    """The request of one cell. Axes are applied one after another, so that two may change the same prompt."""
    if arguments["no_fixed_seeds"]:
        request = changed(request, seed=request.seed + pictures_before)
    else:
        request = changed(request, seed=request.seed + _seeds_on(three, place, arguments))
    for one, at in zip(three, place, strict=True):
        changes = one.axis.change(request, one.values[at])
        request = changed(request, **changes) if changes else request
    return request


def _seeds_on(three: Sequence[Dimension], place: tuple[int, int, int], arguments: Arguments) -> int:
    """How far the seed has risen at a place, for the axes along which it does."""
    further, apart = 0, 1
    for letter, one, at in zip(LETTERS, three, place, strict=True):
        if arguments[f"vary_seeds_{letter}"]:
            further, apart = further + at * apart, apart * len(one.values)
    return further


def _tell_grids(
    run: Any, request: GenerationRequest, cells: Cells, three: Sequence[Dimension], arguments: Arguments
) -> None:
    """The whole grid, Z from left to right, and the sub grids if they are wanted."""
    if not cells.any:
        return
    x, y, z = three
    each, notes = len(x.values) * len(y.values), _notes(three, arguments)
    legend, margin = arguments["draw_legend"], arguments["margin_size"]
    columns = x.titles if legend else [""] * len(x.values)
    rows = y.titles if legend else [""] * len(y.values)
    sheets: list[numpy.ndarray | None] = []
    for number in range(len(z.values)):
        pictures = [cells.picture(number * each + index) for index in range(each)]
        there = any(picture is not None for picture in pictures)
        sheets.append(labelled_grid(pictures, columns, rows, margin) if there else None)
    titles = z.titles if legend else [""] * len(z.values)
    whole = labelled_grid(sheets, titles, [""], margin) if len(sheets) > 1 else sheets[0]
    tell_grid(run, request, whole, "xyz_grid", run.pictures, cells.text, notes)
    if _has_sub_grids(three, arguments):
        for number, sheet in enumerate(sheets):
            if sheet is not None:
                tell_grid(run, request, sheet, "xyz_grid", run.pictures + 1 + number, cells.text, notes)


def _notes(three: Sequence[Dimension], arguments: Arguments) -> Mapping[str, Any]:
    """A1111's keys."""
    notes: dict[str, Any] = {"Script": "X/Y/Z plot"}
    for letter, one in zip(LETTERS, three, strict=True):
        if one.axis.name != NOTHING:
            notes[f"{letter.upper()} Type"] = one.axis.name
            notes[f"{letter.upper()} Values"] = arguments[f"{letter}_values"]
    return notes
