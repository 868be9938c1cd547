"""Prompts from file or textbox: every line is a prompt, or a whole request, painted one after another."""

from __future__ import annotations

from typing import Any

from modules.core.registry import SAMPLERS
from modules.core.request import GenerationRequest
from modules.core.scripts import DONE, PICTURES, RESULTS, Arguments, Check, Parts
from modules.plugins.api import Field, Part, UserError, changed, script

from .lines import options_of

MOST_LINES = 10_000
START, END = "start", "end"

FIELDS = (
    Field("checkbox_iterate", True, label="Iterate seed every line", help="Off: every line has the same seed."),
    Field(
        "prompt_position",
        START,
        label="Insert prompts at the",
        choices=(START, END),
        help="Where the line stands, when the prompt above is not empty.",
    ),
    Field(
        "prompt_txt",
        "",
        label="List of prompt inputs",
        lines=6,
        max_length=2_000_000,
        help='One a line: a prompt, or options: --prompt "a cat" --negative_prompt "dog" --steps 30 --width 512',
    ),
)


def prepared(request: GenerationRequest, arguments: Arguments, check: Check) -> dict[str, Any]:
    """The number of pictures; every line is checked, and a mistake is told with its number."""
    lines = _lines(arguments)
    if not lines:
        raise UserError("The list of prompts is empty.", hint="Write one prompt a line, or load a file.")
    if len(lines) > MOST_LINES:
        raise UserError(f"The list has {len(lines):,} lines; at most {MOST_LINES:,} can be painted as one job.")
    pictures = 0
    for number, line in lines:
        try:
            changes = _changes(request, line, arguments)
            if set(changes) - {"prompt", "negative_prompt"}:
                pictures += check(changes).pictures
            else:
                pictures += changed(request, **changes).pictures
        except UserError as error:
            raise UserError(f"Line {number}: {error.message}", hint=error.hint) from error
    return {**arguments, PICTURES: pictures, RESULTS: pictures}


@script("Prompts from file or textbox", *FIELDS, prepare=prepared)
def prompts_from_file(run: Any, arguments: Arguments) -> Parts:
    """A part for every line."""
    whole, first, done = run.request, 0, arguments.get(DONE, {})
    for number, line in _lines(arguments):
        changes = _changes(whole, line, arguments)
        if arguments["checkbox_iterate"] and "seed" not in changes:
            changes["seed"] = whole.seed + first
        if "sampler" in changes:  # as it is called here
            changes["sampler"] = SAMPLERS.get(changes["sampler"]).name
        request = changed(whole, **changes)
        if not all(str(first + one) in done for one in range(request.pictures)):
            yield Part(request, first, f"Line {number}")
        first += request.pictures


def _lines(arguments: Arguments) -> list[tuple[int, str]]:
    """What is not empty, with its number as an editor shows it."""
    lines = enumerate(arguments["prompt_txt"].splitlines(), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def _changes(request: GenerationRequest, line: str, arguments: Arguments) -> dict[str, Any]:
    """The fields that a line sets; its prompts are put before or behind the request's own."""
    changes: dict[str, Any] = options_of(line)
    if changes.get("seed") == "-1":  # the line has no seed of its own
        del changes["seed"]
    for name in ("prompt", "negative_prompt"):
        if name in changes:
            both = (changes[name], getattr(request, name))
            changes[name] = " ".join(both if arguments["prompt_position"] == START else reversed(both)).strip()
    return changes
