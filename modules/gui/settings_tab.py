"""The page of settings, computed from their declarations: sections, help, where each value comes from."""

from __future__ import annotations

import json
import logging
from itertools import groupby
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from ..core.errors import UserError
from ..core.settings import Setting, SettingDeclarations
from .events import QUICK, called
from .fields import setting_field
from .layout import markup
from .offers import choice_lists

if TYPE_CHECKING:
    from ..studio import Studio

log = logging.getLogger("easel.page")

SOURCES = {
    "command line": "Given on the command line, which counts more than what is saved here.",
    "environment": "Given by the environment, which counts more than what is saved here.",
}


def build_settings_tab(page: gr.Blocks, studio: Studio) -> dict[str, Component]:
    """Builds the page inside the present Gradio context. Gives the widgets by setting."""
    declared = studio.settings.declared
    widgets: dict[str, Component] = {}
    settings = sorted(declared, key=lambda setting: _section_order(declared).index(setting.section))
    for section, members in groupby(settings, key=lambda setting: setting.section):
        with gr.Column(elem_classes=["section"]):
            markup(f"<h2>{section}</h2>")
            with gr.Column(elem_classes=["fields"]):
                for setting in members:
                    widgets[setting.name] = setting_field(setting, setting.shown(studio.settings[setting.name]))
    with gr.Row(elem_classes=["actions"]):
        markup('<easel-message tab="settings"></easel-message>', elem_classes=["message-cell"])
        save = gr.Button("Save settings", variant="primary", elem_id="settings_submit", min_width=0)
    _wire(page, studio, widgets, save)
    return widgets


def _section_order(declared: SettingDeclarations) -> list[str]:
    return list(dict.fromkeys(setting.section for setting in declared))


def _wire(page: gr.Blocks, studio: Studio, widgets: dict[str, Component], save: gr.Button) -> None:
    declared, outputs = studio.settings.declared, list(widgets.values())

    def show() -> list[dict[str, Any]]:
        """What is in force now, for every widget."""
        lists = choice_lists(studio)
        return [shown(studio, declared.get(name), lists) for name in widgets]

    def store(given: dict[Component, Any]) -> str:
        return json.dumps(stored(studio, {name: given[widget] for name, widget in widgets.items()}))

    answer = gr.Textbox(visible=False)
    page.load(show, None, outputs, **QUICK)
    saved = save.click(store, set(outputs), answer, preprocess=False, **QUICK)
    saved.then(None, answer, None, js=called("answered('settings', ...given)"))


def stored(studio: Studio, given: dict[str, Any]) -> dict[str, str]:
    """Saves what differs from what is in force. Gives the sentence for the page; wrong values change nothing."""
    declared = studio.settings.declared
    try:
        changes = {
            name: value for name, value in given.items() if value != declared.get(name).shown(studio.settings[name])
        }
        if not changes:
            return {"note": "Nothing was changed."}
        studio.settings.set(changes)
    except UserError as error:
        return {"message": error.message, "hint": error.hint}
    except OSError as error:
        log.exception("The settings could not be written.")
        return {"message": f"The settings could not be written: {error.strerror}.", "hint": "Nothing was changed."}
    late = [declared.get(name).label for name in changes if declared.get(name).restart]
    return {"note": f"Saved. After the next start: {', '.join(late)}." if late else "Saved."}


def shown(studio: Studio, setting: Setting, lists: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """The update of one widget: its value, choices, and help with the value's origin."""
    value, source = studio.settings.explain(setting.name)
    notes = [setting.help, "Counts from the next start." if setting.restart else "", SOURCES.get(source, "")]
    update: dict[str, Any] = {"value": setting.shown(value), "info": " ".join(note for note in notes if note) or None}
    if isinstance(setting.choices, str):
        listed = lists.get(setting.choices, ())
        empty = () if setting.default in listed else (setting.default,)
        known = (*empty, *listed)
        update["choices"] = [(name or "(none)", name) for name in (*known, *(() if value in known else (value,)))]
    return gr.update(**update)
