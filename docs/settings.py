"""The page of settings, from their declarations."""

from __future__ import annotations

from itertools import groupby

from modules.core.settings import SETTINGS, Setting

from .tables import allowed, code, row, table

TOP = """# Settings

What is chosen once. Each is declared once, in `modules/core/settings.py` or by an extension; the Settings tab, the file
`data/config.json` and this list are computed from that. Written by `python -m docs`.

A value comes from the first of these that has one: the command line, the environment (`EASEL_` and the name in
capitals, such as `EASEL_CLIP_SKIP=2`), the file, the default. Those that say *Pixels* are only defaults for the
parameter of the same name: they are copied into a job when it is queued, so a change never reaches a job that waits.
"""
HEADS = ("Name", "Label", "Default", "Allowed", "Meaning")


def page() -> str:
    order = list(dict.fromkeys(setting.section for setting in SETTINGS))
    by_section = sorted(SETTINGS, key=lambda setting: order.index(setting.section))
    sections = [TOP]
    for section, members in groupby(by_section, key=lambda setting: setting.section):
        sections.append(f"## {section}\n\n{table(HEADS, map(setting_row, members))}\n")
    return "\n".join(sections)


def setting_row(setting: Setting) -> str:
    """One setting as a line of the table."""
    marks = ("Pixels." if setting.pixels else "", "Counts from the next start." if setting.restart else "")
    meaning = " ".join(part for part in (setting.help, *marks) if part)
    if isinstance(setting.default, bool):
        default, values = ("on" if setting.default else "off"), "on, off"
    else:
        default, values = code(setting.default), allowed(setting.ge, setting.le, setting.choices)
    return row((code(setting.name), setting.label, default, values, meaning))
