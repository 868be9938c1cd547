"""The page of all pictures. What it shows comes from `/api/library` and is drawn by the modules in `static/`."""

from __future__ import annotations

from .layout import markup


def build_history_tab() -> None:
    """Builds the page inside the present Gradio context."""
    markup("<easel-history></easel-history>", elem_id="history", elem_classes=["history-cell"])
