"""What picture files say, over HTTP: their settings and all else, the file without it, and the picture once more."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..core import infotext
from ..core.errors import UserError
from ..imaging.describing import Description
from ..imaging.describing import described as describe
from ..imaging.difference import difference
from ..imaging.incoming import plain_pixels
from ..imaging.stripping import stripped
from ..studio import Studio
from .answers import Json
from .inputs_routes import Body
from .jobs_routes import Sent

_KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}


def png_info_router(studio: Studio) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.post("/png-info")
    def described(request: Request, body: Body) -> Json:
        """What a picture says about itself: a file's bytes, or `{"picture": id}`, or `{"input": id}`."""
        return Json(_description(studio, describe(_file(studio, request, body))))

    @router.post("/png-info/stripped")
    def without(request: Request, body: Body) -> Response:
        """The same picture without what it says: the file, its pixels untouched (PNG, JPEG, WebP, GIF) or as PNG."""
        content, ending = stripped(_file(studio, request, body))
        name = {"Content-Disposition": f'attachment; filename="picture{ending}"'}
        return Response(content, media_type=_KINDS[ending], headers=name)

    @router.post("/reproduce")
    def reproduce(values: Sent) -> Json:
        """Paints a picture once more: of the history (`picture`), or from a settings `text`. Answers with the job's
        id, and with what is known beforehand to come out otherwise.
        """
        text, picture = values.get("text", ""), values.get("picture")
        if not isinstance(text, str) or not isinstance(picture, int | None):
            raise UserError("'text' must be a settings text, or 'picture' the id of one in the history.")
        job, found = studio.reproduce(text, picture)
        return Json({"job": job.id, "tab": found.tab, "differences": found.differences})

    @router.post("/difference")
    def compare(values: Sent) -> Json:
        """How far two pictures are apart: `first` and `second`, each `{"picture": id}` or `{"input": id}`."""
        first, second = (_named(studio, values.get(name)) for name in ("first", "second"))
        return Json(asdict(difference(plain_pixels(first), plain_pixels(second))))

    return router


def _file(studio: Studio, request: Request, body: bytes) -> bytes:
    """The file that a request brings or names. Raises UserError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return body
    try:
        return _named(studio, json.loads(body))
    except (ValueError, RecursionError) as error:
        raise UserError(f"The request is not valid JSON: {error}.", hint='Send {"picture": id}, or a file.') from error


def _named(studio: Studio, named: Any) -> bytes:
    """The file of `{"picture": id}` or `{"input": id}`. Raises UserError."""
    named = named if isinstance(named, dict) else {}
    if isinstance(picture := named.get("picture"), int):
        return studio.inputs.file_of(max(-1, min(picture, 2**63 - 1)))
    if isinstance(stored := named.get("input"), str):
        return studio.inputs.get(stored).path.read_bytes()
    raise UserError('No picture is named. Expected was {"picture": id} or {"input": id}.')


def _description(studio: Studio, found: Description) -> dict[str, Any]:
    prompt, negative, entries = infotext.split(found.text)
    pasted = studio.paste(found.text) if found.text.strip() else None
    return {
        "format": found.format,
        "mode": found.mode,
        "width": found.width,
        "height": found.height,
        "text": found.text,
        "translated": found.translated,
        "program": pasted.program if pasted else "",
        "prompt": prompt,
        "negative_prompt": negative,
        "entries": [{"key": key, "value": value} for key, value in entries.items()],
        "problems": pasted.problems if pasted else [],
        "others": [{"key": key, "value": value, "cut": key in found.cut} for key, value in found.others.items()],
    }
