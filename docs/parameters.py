"""The page of parameters, from their declarations."""

from __future__ import annotations

from itertools import groupby

from modules.core.params import Param
from modules.core.request import PARAMS

from .tables import allowed, code, row, table

TOP = """# Parameters

What a picture is made from. Each is declared once, in `modules/core/sections/`; the page, the API, the text in a
picture and this list are computed from that. Written by `python -m docs`.

*Field* is its name in `POST /api/jobs`. *Text* is its key in the settings text of a picture, which is AUTOMATIC1111's.
*A1111* is its name in that program's API, where it differs. A value outside *Allowed* is refused with a sentence;
a slider may show less.
"""
HEADS = ("Field", "Label", "Default", "Allowed", "Text", "A1111", "Meaning")


def page() -> str:
    sections = [TOP]
    for group, members in groupby(PARAMS.values(), key=lambda declared: declared.group):
        sections.append(f"## {group.capitalize()}\n\n{table(HEADS, map(parameter_row, members))}\n")
    return "\n".join(sections)


def parameter_row(declared: Param) -> str:
    """One parameter as a line of the table."""
    return row(
        (
            code(declared.name),
            declared.label,
            code(declared.default),
            _allowed(declared),
            declared.key,
            code(declared.alias),
            declared.help,
        )
    )


def _allowed(declared: Param) -> str:
    if declared.max_length:
        return f"up to {declared.max_length:,} characters"
    return allowed(declared.ge, declared.le, declared.choices, declared.multiple_of)
