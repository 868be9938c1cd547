"""From a declared parameter or setting to its Gradio widget: label, help, bounds and choices come from the declaration.

The page asks nothing of Gradio's own checks (events run with `preprocess=False`): a slider's range is comfort, the
hard bounds are the request's, and whatever was typed reaches it and is answered with one sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from ..core.errors import UserError
from ..core.params import Param
from ..core.settings import Setting

# Where A1111 calls a widget otherwise than its parameter: its users' scripts look widgets up by these ids.
A1111_IDS = {"negative_prompt": "neg_prompt", "sampler": "sampling", "schedule": "scheduler"}
MOST_LINES = 14


def elem_id(tab: str, name: str) -> str:
    """The id in the page of parameter `name` on a tab, as A1111 has it."""
    return f"{tab}_{A1111_IDS.get(name, name)}"


def param_field(param: Param, tab: str, choices: Sequence[str] = ()) -> Component:
    """The widget of one parameter. `choices` are used when the declaration only names a list of `Abilities`."""
    common = {
        "label": param.label,
        "info": param.help or None,
        "elem_id": elem_id(tab, param.name),
        "elem_classes": ["field", f"field-{param.name}"],
    }
    if param.picture or param.drawn:  # its element shows it; this only holds its value
        return gr.Textbox(value=param.default, **{**common, "elem_classes": ["behind"]})
    if isinstance(param.choices, tuple):
        choices = param.choices
    return _field(param.type, param.default, common, choices, bool(param.choices), param.slider, param.lines)


def setting_field(setting: Setting, value: Any, choices: Sequence[str] = ()) -> Component:
    """The widget of one setting, showing `value`."""
    common = {
        "label": setting.label,
        "info": setting.help or None,
        "elem_id": f"setting_{setting.name}",
        "elem_classes": ["field"],
    }
    if isinstance(setting.choices, tuple):
        choices = setting.choices
    if setting.secret:
        return gr.Textbox(value=value, type="password", **common)
    bounded = setting.ge is not None and setting.le is not None and type(setting.default) in (int, float)
    slider = (setting.ge, setting.le, 1 if isinstance(setting.default, int) else 0.01) if bounded else None
    return _field(type(setting.default), value, common, choices, bool(setting.choices), slider, 1)


def _field(
    kind: type,
    value: Any,
    common: Mapping[str, Any],
    choices: Sequence[str],
    chosen_from_list: bool,
    slider: tuple[float, float, float] | None,
    lines: int,
) -> Component:
    if kind is bool:
        return gr.Checkbox(value=value, **common)
    if chosen_from_list:
        return gr.Dropdown(choices=[*choices] or [value], value=value, **common)
    if slider is not None and value is not None:
        return gr.Slider(minimum=slider[0], maximum=slider[1], step=slider[2], value=value, buttons=[], **common)
    if kind in (int, float):
        return gr.Number(value=value, precision=0 if kind is int else None, **common)
    return gr.Textbox(value=value, lines=lines, max_lines=MOST_LINES if lines > 1 else 1, **common)


def values_of(params: Iterable[Param], widgets: Mapping[str, Component], given: Mapping[Component, Any]) -> dict:
    """Request values from what the widgets hold. Raises UserError when a number is missing.

    A parameter that belongs to an extension travels in `extra`.
    """
    values: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for param in params:
        value = given[widgets[param.name]]
        if value is None and param.optional:
            continue
        if value is None and param.type in (int, float):
            raise UserError(f"{param.label} is empty or not a number.", hint="Type a number.")
        (extra if param.owner else values)[param.name] = value
    return {**values, "extra": extra} if extra else values
