"""The models as a collection over HTTP: lists, what is known of each, cards, previews, moving and the trash."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import FileResponse, Response

from ..core.errors import UserError
from ..studio import Studio
from .answers import Json
from .jobs_routes import Sent
from .pictures_routes import ASK_EACH_TIME, FOR_EVER

ModelId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


def models_router(studio: Studio) -> APIRouter:
    router = APIRouter(prefix="/api/models")
    shelf = studio.collection

    @router.get("/kinds/{kind}")
    def models(kind: str) -> Json:
        """All files of a kind: checkpoint, VAE, LoRA, embedding or upscaler; and the folders below theirs."""
        entries = shelf.entries(kind)
        folders = sorted({entry.folder for entry in entries})
        return Json({"models": [entry.as_json() for entry in entries], "folders": folders})

    @router.get("/trash")
    def trash() -> Json:
        """What lies in the trash, the newest first."""
        return Json({"models": [one.as_json() for one in shelf.discarded()]})

    @router.post("/trash/empty")
    def empty_trash() -> Json:
        """Deletes what lies in the trash for good. Answers with how many models that were."""
        return Json({"deleted": shelf.empty_trash()})

    @router.post("/trash/{place}/restore")
    def restore(place: Annotated[str, Path(pattern="^[0-9a-f]{1,20}$")]) -> Json:
        """Puts a model back where it was."""
        return Json({"file": str(shelf.restore(place))})

    @router.get("/{model}")
    def details(model: ModelId) -> Json:
        """All that is known of one model. If its hash is not known, it is computed; a `models` event tells when."""
        return Json(shelf.details(model))

    @router.post("/{model}")
    def write(model: ModelId, values: Sent) -> Json:
        """Changes what its owner wrote about a model: description, notes, trigger_words, negative_text,
        preferred_weight, vae; and what its owner knows better: family, variant, prediction_type, zero_terminal_snr,
        use_ema, native_size, recommended (steps, cfg_scale, sampler, schedule, negative_prompt).
        """
        shelf.write(model, values)
        return Json(shelf.details(model))

    @router.get("/{model}/preview")
    def preview(model: ModelId, v: str = "") -> Response:
        """A small WebP of a model's preview. `v`: its version, under which it may be kept for ever."""
        caching = {"Cache-Control": FOR_EVER if v else ASK_EACH_TIME}
        return FileResponse(shelf.preview(model), media_type="image/webp", headers=caching)

    @router.post("/{model}/preview")
    def set_preview(model: ModelId, values: Sent) -> Json:
        """Makes the `picture` of the history, by its id, the model's preview."""
        shelf.set_preview(model, studio.picture(_number(values, "picture")).path)
        return Json(shelf.details(model))

    @router.post("/{model}/rename")
    def rename(model: ModelId, values: Sent) -> Json:
        """Gives a model, and the files beside it, another `name`. Answers with its new id."""
        return Json({"id": shelf.rename(model, _text(values, "name"))})

    @router.post("/{model}/move")
    def move(model: ModelId, values: Sent) -> Json:
        """Moves a model, and the files beside it, into a `folder` below its models folder. Answers with its new id."""
        return Json({"id": shelf.move(model, _text(values, "folder"))})

    @router.post("/{model}/trash")
    def discard(model: ModelId) -> Json:
        """Moves a model, and the files beside it, into the trash. Answers with its place there."""
        return Json({"place": shelf.discard(model)})

    return router


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise UserError(f"{name!r} must be a text.")
    return value


def _number(values: dict[str, Any], name: str) -> int:
    value = values.get(name)
    if type(value) is not int or not 0 <= value < 2**63:
        raise UserError(f"{name!r} must be a number.")
    return value
