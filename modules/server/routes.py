"""Our FastAPI application: the API, the pictures, the page's own files. The Gradio page is mounted later."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from ..core.version import NAME, VERSION
from ..studio import Studio
from .answers import Json, tell_errors
from .downloads_routes import downloads_router
from .events_stream import events_router
from .gate import Gate
from .gatekeeper import Gatekeeper
from .inputs_routes import inputs_router
from .inspect_routes import inspect_router
from .jobs_routes import jobs_router
from .library_routes import library_router
from .model_work_routes import model_work_router
from .models_routes import models_router
from .pictures_routes import pictures_router
from .png_info_routes import png_info_router
from .prompt_routes import prompt_router
from .studio_routes import studio_router

PAGE_FILES = Path(__file__).parent.parent / "gui" / "static"


class GatedApp(FastAPI):
    """A FastAPI application whose outermost layer is the gate, whatever is added to it later."""

    def __init__(self, gate: Gate) -> None:
        # The documentation pages of FastAPI load their scripts from another host: they stay off.
        super().__init__(title=NAME, version=VERSION, docs_url=None, redoc_url=None, default_response_class=Json)
        self.gate = gate

    def build_middleware_stack(self) -> ASGIApp:
        return Gatekeeper(super().build_middleware_stack(), self.gate)


class PageFiles(StaticFiles):
    """Files that browsers keep but ask about each time, so that an update is seen at once."""

    def file_response(self, *arguments: object, **options: object) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response


class OwnFilesOnly(Mount):
    """Answers for the files there are; other addresses go on to the routes after it (Gradio has a /static too)."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        if match is Match.NONE or scope["type"] != "http":
            return Match.NONE, {}
        found = self.app.lookup_path(self.app.get_path({**scope, **child}))[1]
        return (match, child) if found is not None else (Match.NONE, {})


def build_app(studio: Studio, gate: Gate) -> GatedApp:
    """The application, complete but for the page at "/"."""
    mimetypes.add_type("text/javascript", ".js")  # some Windows machines say text/plain, which browsers will not run
    app = GatedApp(gate)
    tell_errors(app)
    for build in (jobs_router, studio_router, prompt_router, pictures_router, inputs_router, events_router):
        app.include_router(build(studio))
    app.include_router(model_work_router(studio))
    app.include_router(models_router(studio))
    app.include_router(png_info_router(studio))
    app.include_router(inspect_router(studio))
    app.include_router(library_router(studio, gate))
    app.include_router(downloads_router(studio, gate))
    app.router.routes.append(OwnFilesOnly("/static", app=PageFiles(directory=PAGE_FILES, check_dir=False)))
    return app
