"""Pictures that people bring, over HTTP: the page uploads each once, and jobs name it by its id."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from ..core.errors import UserError
from ..jobs.inputs import InputPicture
from ..studio import Studio
from .answers import Json
from .jobs_routes import Sent

LARGEST_FILE = 256 << 20  # bytes
FOR_EVER = "private, max-age=31536000, immutable"


async def _file(request: Request) -> bytes:
    """A request's body, whatever it is. Raises HTTPException (413) when it is too large."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FILE:
            raise HTTPException(413, f"The file is larger than {LARGEST_FILE >> 20} MB.")
    return bytes(body)


Body = Annotated[bytes, Depends(_file)]


def inputs_router(studio: Studio) -> APIRouter:
    router = APIRouter()

    @router.post("/api/inputs")
    def add(request: Request, body: Body) -> Json:
        """Stores a picture to start from: a file's bytes, or `{"picture": id}` for one of the history."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            return Json(_input_json(studio.inputs.from_history(_picture_named(body))))
        return Json(_input_json(studio.inputs.add(body)))

    @router.get("/api/inputs/{picture}")
    def described(picture: str) -> Json:
        """Size and settings text of a stored picture."""
        return Json(_input_json(studio.inputs.get(picture)))

    @router.post("/api/inputs/crop")
    def crop(values: Sent) -> Json:
        """The part of its picture that a request would paint, in pixels of the picture as outpainting extends it."""
        part, whole = studio.inputs.painted_part(values)
        return Json({**asdict(part), "picture": {"width": whole.width, "height": whole.height}})

    @router.get("/api/masks")
    def masks() -> Json:
        """The names of the automatic masks that extensions offer."""
        return Json({"masks": studio.inputs.masks()})

    @router.post("/api/inputs/mask")
    def make_mask(values: Sent) -> Json:
        """Makes an automatic mask (`name`) of a stored picture (`init_image`) and stores it: answers like uploading."""
        name, picture = (str(values.get(field, "")) for field in ("name", "init_image"))
        return Json(_input_json(studio.inputs.make_mask(name, picture)))

    @router.head("/inputs/{picture}", include_in_schema=False)
    @router.get("/inputs/{picture}")
    def file(request: Request, picture: str) -> Response:
        """A stored picture as PNG: upright, 8-bit RGB or RGBA. It never changes under its address."""
        found = studio.inputs.get(picture)
        caching = {"ETag": f'"{found.id}"', "Cache-Control": FOR_EVER}
        if caching["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=caching)
        return FileResponse(found.path, headers=caching, media_type="image/png")

    return router


def _picture_named(body: bytes) -> int:
    """The id in `{"picture": id}`. Raises UserError."""
    try:
        picture = json.loads(body)["picture"]
        if isinstance(picture, int) or re.fullmatch(r"[0-9]{1,18}", picture):
            return min(int(picture), 2**63 - 1)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(
            'The request is not of the form {"picture": id}.', hint="Send that, or a picture file's bytes."
        ) from error
    raise UserError(f"{str(picture)[:60]!r} is not the id of a picture in the history.")


def _input_json(picture: InputPicture) -> dict[str, Any]:
    return {
        "id": picture.id,
        "width": picture.width,
        "height": picture.height,
        "url": f"/inputs/{picture.id}",
        "infotext": picture.infotext,
    }
