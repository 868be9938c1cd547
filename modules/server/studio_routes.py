"""The rest of the studio over HTTP: models, abilities, parameters, settings, pasting."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from fastapi import APIRouter

from ..catalog.scan import ModelFile
from ..core.errors import UserError
from ..core.params import EXTENSION_PARAMS, Param
from ..core.request import PARAMS
from ..jobs.wire import abilities_json
from ..studio import Studio
from .answers import Json
from .jobs_routes import Sent


def studio_router(studio: Studio) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/models")
    def models() -> Json:
        """The checkpoints, VAEs and upscalers there are; a file that cannot be used says why."""
        return Json(_models(studio))

    @router.post("/models/refresh")
    def refresh() -> Json:
        """Looks at the model folders anew."""
        studio.refresh()
        return Json(_models(studio))

    @router.post("/load")
    def load(values: Sent) -> Json:
        """Has a checkpoint loaded now rather than with the next job."""
        studio.load(_text(values, "checkpoint"), _text(values, "vae"))
        return Json(asdict(studio.engine_state()))

    @router.get("/engine")
    def engine() -> Json:
        """Whether the engine is ready, and which model it has loaded."""
        return Json(asdict(studio.engine_state()))

    @router.get("/abilities")
    def abilities() -> Json:
        """What the engine can do; null until it is ready."""
        return Json(abilities_json(studio.abilities()))

    @router.get("/parameters")
    def parameters(checkpoint: str = "") -> Json:
        """Every parameter of a generation, with the default that it has for this checkpoint."""
        defaults = studio.defaults(checkpoint)
        own = [_parameter(replace(one, default=defaults[one.name])) for one in PARAMS.values()]
        added = [{**_parameter(one), "extra": True} for one in EXTENSION_PARAMS]
        return Json({"parameters": own + added})

    @router.get("/settings")
    def settings() -> Json:
        """Every setting: its value (of a secret only whether there is one), and where that comes from."""
        return Json(_settings(studio))

    @router.post("/settings")
    def change_settings(values: Sent) -> Json:
        """Changes settings, all of them or (when one does not fit) none."""
        studio.settings.set(values)
        return Json(_settings(studio))

    @router.post("/schedule")
    def schedule(values: Sent) -> Json:
        """The noise levels that a request with these fields would visit, from the highest; none before the engine is
        there.
        """
        return Json({"sigmas": studio.levels(values)})

    @router.post("/paste")
    def paste(values: Sent) -> Json:
        """Reads the settings text of a picture: fields for the page, and what could not be taken over."""
        return Json(asdict(studio.paste(_text(values, "text"))))

    return router


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise UserError(f"{name!r} must be text, not {type(value).__name__}.")
    return value


def _models(studio: Studio) -> dict[str, Any]:
    return {
        "checkpoints": [_model(studio, one) for one in studio.models()],
        "vaes": [_model(studio, one) for one in studio.vaes()],
        "upscalers": [_model(studio, one) for one in studio.upscaler_files()],
    }


def _model(studio: Studio, model: ModelFile) -> dict[str, Any]:
    return {
        "name": studio.name_of(model),
        "title": model.title,
        "kind": model.kind,
        "family": model.family_id,
        "native_size": model.native_size,
        "hash": model.short_hash,
        "size": model.size,
        "problem": model.problem,
    }


def _parameter(declared: Param) -> dict[str, Any]:
    facts = asdict(replace(declared, type=str))
    return {**facts, "type": declared.type.__name__, "key": declared.key, "a1111": declared.a1111}


def _settings(studio: Studio) -> dict[str, Any]:
    described = []
    for setting in studio.settings.declared:
        value, source = studio.settings.explain(setting.name)
        described.append({**asdict(setting), "value": setting.shown(value), "source": source})
    return {"settings": described}
