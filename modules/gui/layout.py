"""The frame of the page: a header with tabs of our own, pages below it, sections that fold.

Gradio keeps unselected tabs and closed accordions out of the DOM, where neither our scripts nor A1111's extensions
would find them. So these are plain columns, mounted from the start, shown and hidden by css.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from ..core.hooks import Hooks
from ..core.version import NAME

log = logging.getLogger("easel.page")


@dataclass(frozen=True)
class Tab:
    """A page and its label. `build` makes its widgets, inside the page's Gradio context."""

    label: str
    build: Callable[[], None]
    owner: str = ""

    @property
    def elem_id(self) -> str:
        """A1111's form: `tab_` and the label in lower case."""
        return "tab_" + (re.sub(r"\W+", "_", self.label.lower()).strip("_") or "extension")


class Ui:
    """What the moment `building_ui` gets: a place to put tabs."""

    def __init__(self) -> None:
        self._tabs: list[Tab] = []

    def tab(self, label: str, build: Callable[[], None]) -> None:
        """Adds a tab at the end. Raises ValueError when a tab would bear the same id."""
        new = Tab(label, build, owner=getattr(build, "__module__", "") or label)
        if new.elem_id in {tab.elem_id for tab in self._tabs}:
            raise ValueError(f"There is already a tab called {label!r}.")
        self._tabs.append(new)

    @property
    def tabs(self) -> tuple[Tab, ...]:
        return tuple(self._tabs)


# The same drawing as the browser tab's icon.
_LOGO = (Path(__file__).parent / "static" / "easel.svg").read_text(encoding="utf-8").strip()


def markup(text: str, elem_id: str | None = None, elem_classes: Sequence[str] = ()) -> gr.HTML:
    """A piece of our own HTML, without Gradio's style for prose."""
    return gr.HTML(text, elem_id=elem_id, elem_classes=[*elem_classes], apply_default_css=False)


def header(tabs: tuple[Tab, ...]) -> None:
    """The bar at the top: name, tabs, engine state and colours."""
    buttons = "".join(
        f'<button type="button" role="tab" id="{tab.elem_id}-button" aria-controls="{tab.elem_id}" tabindex="-1">'
        f"{html.escape(tab.label)}</button>"
        for tab in tabs
    )
    markup(
        f'<header class="top"><span class="brand">{_LOGO}{NAME}</span>'
        f'<easel-tabs><nav id="tabs" role="tablist" aria-label="Pages">{buttons}</nav></easel-tabs>'
        "<easel-engine></easel-engine><easel-theme></easel-theme></header><easel-notices></easel-notices>",
        elem_id="header",
    )


def pages(tabs: tuple[Tab, ...], hooks: Hooks) -> None:
    """Every tab's page. One that fails to build shows its failure; the others stand."""
    for tab in tabs:
        with gr.Column(elem_id=tab.elem_id, elem_classes=["page"]):
            try:
                tab.build()
            except Exception as error:
                if not tab.owner:
                    raise
                hooks.report(tab.owner, f"building the tab {tab.label}", error)
                markup(f'<p class="failure">{html.escape(f"This tab could not be built: {error}")}</p>')


@contextmanager
def fold(label: str, elem_id: str) -> Iterator[None]:
    """A section that folds, closed at first; what stands in it is in the DOM all the same."""
    markup(
        f'<button type="button" class="fold-head" aria-expanded="false" aria-controls="{elem_id}">'
        f"{html.escape(label)}</button>",
        elem_classes=["fold"],
    )
    with gr.Column(elem_id=elem_id, elem_classes=["fold-body", "fields"]):
        yield


def tool(label: str, elem_id: str, icon: str) -> gr.Button:
    """A small button that shows an icon; its label is read aloud and shown as a tooltip."""
    return gr.Button(label, elem_id=elem_id, elem_classes=["tool", f"tool-{icon}"], size="sm", min_width=0, scale=0)
