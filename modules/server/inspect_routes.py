"""What is inside a painting, over HTTP: ordering a look, what was seen, its images, and prompts token by token."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from ..core.errors import UserError
from ..core.sections.inspect import EVERY_STEP
from ..studio import Studio
from .answers import Json
from .jobs_routes import Sent
from .pictures_routes import FOR_EVER, Id

Number = Annotated[int, Path(ge=0, le=10**6)]
KINDS = {"png": "image/png", "jpg": "image/jpeg"}


def inspect_router(studio: Studio) -> APIRouter:
    router, desk = APIRouter(), studio.inspections

    @router.post("/api/inspections")
    def look(values: Sent) -> Json:
        """Paints a picture of the history (`picture`) once more, only to record what is inside its `steps`: "every
        step", "last" or numbers. Answers with the job's id, and with what is known beforehand to come out otherwise.
        """
        steps = values.get("steps", EVERY_STEP)
        if not isinstance(steps, str) or not steps.strip():
            raise UserError('\'steps\' says which are recorded: "every step", "last", or numbers like 1, 5, 10-15.')
        job, differences = desk.look(_picture(values), steps)
        return Json({"job": job.id, "differences": differences})

    @router.post("/api/inspections/vae")
    def round_trip(values: Sent) -> Json:
        """Sends a picture (`picture` of the history, or a stored `input`) through the VAE and back. Answers with the
        job, whose only record then has the numbers, and the images original, decoded, difference and channels.
        """
        stored, vae = values.get("input"), values.get("vae", "")
        if stored is None:
            stored = studio.inputs.from_history(_picture(values)).id
        if not isinstance(stored, str) or not isinstance(vae, str):
            raise UserError("'input' must be the id of a stored picture, and 'vae' a name.")
        return Json({"job": desk.round_trip(stored, vae).id})

    @router.get("/api/inspections/{job}")
    def seen(job: str) -> Json:
        """How a job stands, and the facts of all that was seen inside it, one entry a step."""
        found, steps = desk.seen(job)
        return Json({"job": found.id, "state": found.state, "steps": steps})

    @router.post("/api/inspections/{job}/watch")
    def watch(job: str) -> Json:
        """Has the steps of a job that runs recorded from now on; each is told by the event `inspected`."""
        return Json({"job": job, "state": desk.watch(job).state})

    @router.get("/api/pictures/{picture}/inspection")
    def of_picture(picture: Id) -> Json:
        """The job inside which this picture was seen ("" for none), and its number there."""
        job, index = desk.job_of(picture)
        return Json({"job": job, "picture": index})

    @router.post("/api/inspections/prompts")
    def prompts(values: Sent) -> Json:
        """Prompts as the text encoder reads them: parts, texts with their steps, chunks, tokens with numbers and
        weights. Of a `picture` of the history, of a `job`, or of request fields.
        """
        if "picture" in values:
            return Json({"passes": desk.prompts_of(_picture(values))})
        if "job" in values:
            return Json({"passes": desk.prompts_in(str(values["job"]))})
        return Json({"passes": desk.prompts(values)})

    @router.get("/inspections/{job}/{picture}/{step}/{name}")
    def image(job: str, picture: Number, step: Number, name: str) -> Response:
        """An image of what was seen. It never changes under its address."""
        content = desk.store.image(job, picture, step, name)
        kind = KINDS[name.rpartition(".")[2]]
        return Response(content, media_type=kind, headers={"Cache-Control": FOR_EVER})

    return router


def _picture(values: dict[str, Any]) -> int:
    picture = values.get("picture")
    if not isinstance(picture, int) or isinstance(picture, bool):
        raise UserError("'picture' must be the id of a picture in the history.")
    return max(-1, min(picture, 2**63 - 1))
