"""The page of all models. What it shows comes from `/api/models` and is drawn by the modules in `static/`."""

from __future__ import annotations

from .layout import markup


def build_models_tab() -> None:
    """Builds the page inside the present Gradio context."""
    markup("<easel-models></easel-models>", elem_id="models", elem_classes=["models-cell"])
