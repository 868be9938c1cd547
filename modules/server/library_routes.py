"""The history as a collection over HTTP: searching, stars, the trash, folders that are indexed in place."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.exceptions import HTTPException

from ..core.errors import UserError
from ..jobs.library import Search
from ..jobs.wire import picture_json
from ..studio import Studio
from .answers import Json
from .gate import Gate, at_this_machine
from .jobs_routes import Sent
from .pictures_routes import LARGEST, Id

MOST_AT_ONCE = 500
Folder = Annotated[int, Path(ge=0, le=LARGEST)]
Ids = Annotated[str, Query(max_length=20 * MOST_AT_ONCE)]


def _searched(
    words: str = "",
    model: str = "",
    seed: int | None = None,
    since: float | None = None,
    until: float | None = None,
    starred: bool = False,
    trashed: bool = False,
    folder: int | None = None,
) -> Search:
    return Search(words, model, seed, since, until, starred, trashed, folder)


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def library_router(studio: Studio, gate: Gate) -> APIRouter:
    router = APIRouter(prefix="/api")
    library = studio.library

    def moved(answer: tuple[list[int], list[str]]) -> Json:
        done, problems = answer
        return Json({"pictures": done, "problems": problems})

    @router.get("/library")
    def facts() -> Json:
        """What the history holds: how many pictures, their models, the folders that were added."""
        return Json(library.facts())

    @router.get("/library/ids")
    def find(search: Annotated[Search, Depends(_searched)]) -> Json:
        """The ids of all pictures that fit, the newest first: `words` of the prompt, `model`, `seed`, `since` and
        `until` (seconds since 1970), `starred`, `trashed`, `folder` (0: made here).
        """
        return Json({"ids": library.find(search)})

    @router.get("/library/pictures")
    def pictures(ids: Ids) -> Json:
        """Pictures by their ids, with commas between; unknown ones are left out. At most 500 at once."""
        return Json({"pictures": [picture_json(one) for one in studio.pictures_by_id(_listed(ids))]})

    @router.post("/library/star")
    def star(values: Sent) -> Json:
        """Stars `pictures`, or with `starred` false takes their stars away."""
        library.star(_pictures(values), bool(values.get("starred", True)))
        return Json({})

    @router.post("/library/trash")
    def put_into_trash(values: Sent) -> Json:
        """Moves `pictures` into the trash. Answers with those moved, and a sentence for each other one."""
        return moved(library.put_into_trash(_pictures(values)))

    @router.post("/library/restore")
    def restore(values: Sent) -> Json:
        """Takes `pictures` out of the trash, back to where they were; answers likewise."""
        return moved(library.restore(_pictures(values)))

    @router.post("/library/empty-trash")
    def empty_trash() -> Json:
        """Deletes what lies in the trash for good. Answers with how many pictures that were."""
        return Json({"deleted": library.empty_trash()})

    @router.post("/library/folders")
    def add_folder(request: Request, values: Sent) -> Json:
        """Adds the folder `path` of pictures made elsewhere, and begins to read it in place."""
        if not gate.may_name_folders(request.headers, _client(request)):
            raise HTTPException(403, "Folders can be added only at the machine that the program runs on.")
        return Json({"folder": library.index.add(str(values.get("path", "")))})

    @router.post("/library/folders/{folder}/read")
    def read_folder(folder: Folder) -> Json:
        """Reads what is new, changed or gone in a folder."""
        library.index.read_again(folder)
        return Json({})

    @router.post("/library/folders/{folder}/remove")
    def remove_folder(folder: Folder) -> Json:
        """Forgets a folder and its pictures; its files stay."""
        library.remove_folder(folder)
        return Json({})

    @router.post("/library/stop")
    def stop() -> Json:
        """Stops reading a folder; what was found stays."""
        library.index.stop()
        return Json({})

    @router.post("/pictures/{picture}/show")
    def show(request: Request, picture: Id) -> Json:
        """Shows a picture's file in the file manager of the machine that the program runs on."""
        if not at_this_machine(request.headers, _client(request)):
            raise HTTPException(403, "Folders are shown only at the machine that the program runs on.")
        studio.show_in_folder(picture)
        return Json({})

    return router


def _pictures(values: dict[str, Any]) -> list[int]:
    """The ids in `{"pictures": [...]}`. Raises UserError."""
    given = values.get("pictures")
    if not isinstance(given, list) or not all(type(one) is int and 0 <= one <= LARGEST for one in given):
        raise UserError("'pictures' must be a list of ids.", hint='Send something like {"pictures": [1, 2]}.')
    return given


def _listed(ids: str) -> list[int]:
    """The numbers in `1,2,3`. Raises UserError."""
    names = [name for name in ids.split(",") if name]
    if len(names) > MOST_AT_ONCE:
        raise UserError(f"{len(names)} pictures were asked for; at most {MOST_AT_ONCE} can be had at once.")
    if not all(name.isascii() and name.isdigit() and int(name) <= LARGEST for name in names):
        raise UserError(f"{ids[:60]!r} is not a list of ids.", hint="Put commas between them, as in 1,2,3.")
    return [int(name) for name in names]
