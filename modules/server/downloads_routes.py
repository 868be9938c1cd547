"""Fetching models over HTTP: what can be had, what is on its way. Only who owns the machine may have files fetched."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.exceptions import HTTPException

from ..jobs.collection import KINDS
from ..jobs.downloads.offered import offers
from ..studio import Studio
from .answers import Json
from .gate import Gate
from .jobs_routes import Sent

DownloadId = Annotated[str, Path(pattern="^[0-9a-f]{1,40}$")]


def downloads_router(studio: Studio, gate: Gate) -> APIRouter:
    def owner(request: Request) -> None:
        if not gate.may_name_folders(request.headers, request.client.host if request.client else ""):
            raise HTTPException(403, "Models can be fetched only at the machine that the program runs on.")

    router = APIRouter(prefix="/api/downloads")
    downloads = studio.downloads

    @router.get("")
    def all_downloads() -> Json:
        """The downloads there are, and `offers`: models that many start from, and whether their files are `there`."""
        there = {entry.model.path.name for kind in KINDS for entry in studio.collection.entries(kind)}
        return Json({"downloads": downloads.all(), "offers": [one.as_json(there) for one in offers()]})

    @router.post("", dependencies=[Depends(owner)])
    def add(values: Sent) -> Json:
        """Fetches the file at `address`: a web address, or Hugging Face's owner/name/file. `sha256`: what it must have;
        `kind`: whose folder it goes to (checkpoint, VAE, LoRA, embedding, upscaler), else that of what it is.
        """
        given = {name: str(values.get(name) or "") for name in ("address", "sha256", "kind")}
        return Json({"id": downloads.add(**given)})

    @router.post("/{download}/stop", dependencies=[Depends(owner)])
    def stop(download: DownloadId) -> Json:
        """Ends a download; what has arrived stays."""
        downloads.stop(download)
        return Json({})

    @router.post("/{download}/resume", dependencies=[Depends(owner)])
    def resume(download: DownloadId) -> Json:
        """Goes on with a download that was stopped or failed."""
        downloads.resume(download)
        return Json({})

    @router.post("/{download}/remove", dependencies=[Depends(owner)])
    def remove(download: DownloadId) -> Json:
        """Takes a download that is over off the list, with what had arrived of it."""
        downloads.remove(download)
        return Json({})

    return router
