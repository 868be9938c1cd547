"""Pictures over HTTP: the history as JSON, the files by id. No route takes a path."""

from __future__ import annotations

import os
import pathlib
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import FileResponse, Response

from ..jobs.history import PictureRecord
from ..jobs.queue import NotFound
from ..jobs.wire import picture_json
from ..studio import Studio
from .answers import Json

TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".avif": "image/avif"}
FOR_EVER = "private, max-age=31536000, immutable"
ASK_EACH_TIME = "private, no-cache"
LARGEST = 2**63 - 1  # what SQLite takes for a number

Id = Annotated[int, Path(ge=0, le=LARGEST)]
Before = Annotated[int | None, Query(ge=0, le=LARGEST)]
Limit = Annotated[int, Query(ge=1, le=500)]


def pictures_router(studio: Studio) -> APIRouter:
    router = APIRouter()

    @router.get("/api/pictures")
    def pictures(before: Before = None, limit: Limit = 50, search: str = "") -> Json:
        """The history, the newest first: ids below `before`, with all words of `search` in their prompts."""
        return Json({"pictures": [picture_json(one) for one in studio.pictures(before, limit, search)]})

    @router.get("/api/pictures/{picture}")
    def picture(picture: Id) -> Json:
        """One picture of the history: where its file is, its settings text, its size."""
        return Json(picture_json(studio.picture(picture)))

    @router.head("/pictures/{picture}", include_in_schema=False)
    @router.get("/pictures/{picture}")
    def file(request: Request, picture: Id, download: bool = False) -> Response:
        """The file itself, to look at or (`download=1`) to keep."""
        record = studio.picture(picture)
        return _file(request, record.path, record.path.name, record, download)

    @router.get("/pictures/{picture}/thumbnail")
    def thumbnail(request: Request, picture: Id) -> Response:
        """A small WebP of the picture."""
        record = studio.picture(picture)
        return _file(request, studio.thumbnail(record), f"{record.path.stem}.webp", record)

    return router


def _file(request: Request, path: pathlib.Path, name: str, record: PictureRecord, download: bool = False) -> Response:
    """A picture file, or 304 when the browser has it. Cached for ever under an address that carries its version."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise NotFound(
            f"The file of picture {record.id} is no longer there: {record.path}.", hint="It was moved or deleted."
        ) from error
    etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    caching = {"ETag": etag, "Cache-Control": FOR_EVER if "v" in request.query_params else ASK_EACH_TIME}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=caching)
    kind = TYPES.get(path.suffix.lower(), "application/octet-stream")
    disposition = "attachment" if download or kind not in TYPES.values() else "inline"
    return FileResponse(
        path, headers=caching, media_type=kind, filename=name, stat_result=status, content_disposition_type=disposition
    )
