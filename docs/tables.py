"""Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[str]) -> str:
    """A table from its column heads and rows made by `row`."""
    return "\n".join([row(heads), row(["---"] * len(heads)), *rows])


def row(cells: Iterable[str]) -> str:
    """One line of a table. A bar inside a cell would end it."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def code(value: object) -> str:
    """A value as code; nothing for the empty text."""
    return f"`{value}`" if value not in ("", None) else ""


def allowed(
    lowest: float | None, highest: float | None, choices: tuple[str, ...] | str | None, multiple_of: int | None = None
) -> str:
    """What a value may be, in words."""
    if choices is not None:
        return f"a name from the list of {choices}" if isinstance(choices, str) else ", ".join(choices)
    bounds = {
        (True, True): f"{lowest} to {highest}",
        (True, False): f"from {lowest}",
        (False, True): f"up to {highest}",
        (False, False): "",
    }[lowest is not None, highest is not None]
    steps = f"multiples of {multiple_of}" if multiple_of else ""
    return ", ".join(part for part in (bounds, steps) if part)
