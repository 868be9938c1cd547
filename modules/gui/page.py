"""The page as a whole, and how it is put into our own FastAPI application."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import gradio as gr
from fastapi import FastAPI

from ..core.hooks import Hooks
from ..core.params import EXTRAS, IMG2IMG, INPAINT, TXT2IMG
from ..core.version import NAME
from .generate_tab import build_generate_tab
from .history_tab import build_history_tab
from .layout import Tab, Ui, header, pages
from .look import head, theme
from .models_tab import build_models_tab
from .png_info_tab import build_png_info_tab
from .settings_tab import build_settings_tab

if TYPE_CHECKING:
    from ..studio import Studio

# Gradio remembers each browser session that it answered; ours keep nothing there, so a few are plenty.
MOST_SESSIONS = 64


def build_page(studio: Studio, hooks: Hooks) -> gr.Blocks:
    """All tabs: ours, then those that extensions add at the moment `building_ui`, then the settings."""
    with gr.Blocks(title=NAME, analytics_enabled=False, fill_width=True) as page:
        ui = Ui()
        hooks.call("building_ui", ui=ui)
        tabs = (
            Tab("txt2img", partial(build_generate_tab, page, studio, TXT2IMG)),
            Tab("img2img", partial(build_generate_tab, page, studio, IMG2IMG)),
            Tab("Inpaint", partial(build_generate_tab, page, studio, INPAINT)),
            Tab("Extras", partial(build_generate_tab, page, studio, EXTRAS)),
            Tab("PNG Info", build_png_info_tab),
            Tab("History", build_history_tab),
            Tab("Models", build_models_tab),
            *ui.tabs,
            Tab("Settings", partial(build_settings_tab, page, studio)),
        )
        header(tabs)
        pages(tabs, hooks)
    page.state_session_capacity = MOST_SESSIONS
    return page


def mount(app: FastAPI, studio: Studio, hooks: Hooks) -> FastAPI:
    """Builds the page and mounts it at "/". `app` must already have its own routes: Gradio answers all others."""
    return gr.mount_gradio_app(
        app,
        build_page(studio, hooks),
        path="/",
        allowed_paths=[],
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        theme=theme(),
        head=head(),
    )
