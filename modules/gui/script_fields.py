"""The fold "Script" of a tab: a chooser, and the fields of the script that is chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..core.params import Param
from ..core.scripts import SCRIPTS

CHOOSER, NO_SCRIPT, GROUP = "script", "None", "script"


def script_params(tab: str) -> dict[str, Param]:
    """The chooser and every field of every script of a tab, by the names of their widgets; empty without scripts."""
    scripts = [script for script in SCRIPTS if tab in script.tabs]
    if not scripts:
        return {}
    names = (NO_SCRIPT, *(script.name for script in scripts))
    words = "One job made of many pictures: a plot, a list of prompts, tiles."
    found = {CHOOSER: Param(CHOOSER, NO_SCRIPT, "Script", help=words, group=GROUP, choices=names)}
    for script in scripts:
        for param in script.params:
            name = f"{prefix(script.name)}{param.name}"
            found[name] = replace(param, name=name, group=GROUP, owner="")
    return found


def prefix(script: str) -> str:
    """How the names of a script's widgets begin; static/scripts.js forms it likewise."""
    return "script_" + re.sub(r"\W+", "_", script.lower()).strip("_") + "_"


def is_meant(param: Param, script: str) -> bool:
    """Whether a widget's value belongs to a request with this script: those of the others are left out."""
    return param.group != GROUP or (script != NO_SCRIPT and param.name.startswith(prefix(script)))


def with_script(values: Mapping[str, Any], script: str) -> dict[str, Any]:
    """Request values from those of the widgets."""
    if script == NO_SCRIPT:
        return dict(values)
    start = prefix(script)
    arguments = {name.removeprefix(start): value for name, value in values.items() if name.startswith(start)}
    plain = {name: value for name, value in values.items() if not name.startswith(start)}
    return {**plain, "scripts": {script: arguments}}
