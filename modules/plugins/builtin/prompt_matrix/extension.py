"""Prompt matrix: `a|b|c` makes `a`, `a, b`, `a, c` and `a, b, c`, in a grid that says which is which."""

from __future__ import annotations

from typing import Any

from modules.core.request import GenerationRequest
from modules.core.scripts import DONE, PICTURES, RESULTS, Arguments, Check, Parts
from modules.imaging.labels import Words, labelled_grid
from modules.imaging.sheets import Cells, tell_grid
from modules.plugins.api import Field, Part, UserError, changed, script

MOST_OPTIONS = 8  # 256 pictures
NAME = "Prompt matrix"

FIELDS = (
    Field("put_at_start", False, label="Put variable parts at start of prompt"),
    Field("different_seeds", False, label="Use different seed for each picture"),
    Field(
        "prompt_type",
        "positive",
        label="Select prompt",
        choices=("positive", "negative"),
        help="The prompt whose parts, with | between them, are put together. The first is in every picture.",
    ),
    Field("variations_delimiter", "comma", label="Select joining char", choices=("comma", "space")),
    Field("margin_size", 0, label="Grid margins (px)", ge=0, le=500, slider=(0, 100, 2)),
)


def prepared(request: GenerationRequest, arguments: Arguments, check: Check) -> dict[str, Any]:
    """The number of pictures; each combination is checked."""
    options = _pieces(request, arguments)[1:]
    if not options:
        kind = "negative prompt" if arguments["prompt_type"] == "negative" else "prompt"
        raise UserError(
            f"The {kind} has no parts to combine.", hint="Put | between them: a house | at night | in snow."
        )
    if len(options) > MOST_OPTIONS:
        raise UserError(
            f"{len(options)} parts make {2 ** len(options):,} pictures; at most {MOST_OPTIONS} can be combined.",
            hint="Leave some out.",
        )
    longest = _combined(request, arguments, 2 ** len(options) - 1)
    check({_field(arguments): longest})
    cells = 2 ** len(options)
    return {**arguments, PICTURES: cells * request.pictures, RESULTS: cells * request.pictures + 1}


@script(NAME, *FIELDS, prepare=prepared)
def prompt_matrix(run: Any, arguments: Arguments) -> Parts:
    """A part for every combination: bit i of its number says whether option i is in it."""
    request = run.request
    options = _pieces(request, arguments)[1:]
    cells = Cells(request.pictures, arguments.get(DONE, {}))
    try:
        for number in range(2 ** len(options)):
            if cells.has(number):
                continue
            first, prompt = number * request.pictures, _combined(request, arguments, number)
            seed = request.seed + (first if arguments["different_seeds"] else 0)
            cell = changed(request, **{_field(arguments): prompt, "seed": seed})
            cells.put(number, (yield Part(cell, first, prompt)))
    finally:
        if cells.any:
            _tell_grid(run, request, cells, options, arguments["margin_size"])


def _field(arguments: Arguments) -> str:
    return "negative_prompt" if arguments["prompt_type"] == "negative" else "prompt"


def _pieces(request: GenerationRequest, arguments: Arguments) -> list[str]:
    """The part that is always there, then the options."""
    always, *options = getattr(request, _field(arguments)).split("|")
    return [always.strip(), *(option.strip() for option in options if option.strip())]


def _combined(request: GenerationRequest, arguments: Arguments, number: int) -> str:
    always, *options = _pieces(request, arguments)
    taken = [option for bit, option in enumerate(options) if number >> bit & 1]
    ordered = [*taken, always] if arguments["put_at_start"] else [always, *taken]
    between = ", " if arguments["variations_delimiter"] == "comma" else " "
    return between.join(piece for piece in ordered if piece)


def _tell_grid(run: Any, request: GenerationRequest, cells: Cells, options: list[str], margin: int) -> None:
    """The first half of the options across, the others down; those that are not in a picture are struck out."""
    across = (len(options) + 1) // 2
    columns = [_label(options[:across], number) for number in range(2**across)]
    rows = [_label(options[across:], number) for number in range(2 ** (len(options) - across))]
    pictures = [cells.picture(number) for number in range(2 ** len(options))]
    sheet = labelled_grid(pictures, columns, rows, margin)
    tell_grid(run, request, sheet, "prompt_matrix", run.pictures, cells.text, {"Script": NAME})


def _label(options: list[str], number: int) -> list[Words]:
    return [Words(option, bool(number >> bit & 1)) for bit, option in enumerate(options)]
