"""The page that says what is in a picture file. It is drawn by `static/png_info.js`, from `/api/png-info`."""

from __future__ import annotations

from .layout import markup


def build_png_info_tab() -> None:
    """Builds the page inside the present Gradio context."""
    markup("<easel-png-info></easel-png-info>", elem_id="png_info", elem_classes=["info-cell"])
