"""Jobs over HTTP: submit, look, stop, cancel, resubmit, dismiss."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from ..jobs.queue import Job
from ..studio import Studio
from .answers import Json, sent

Sent = Annotated[dict[str, Any], Depends(sent)]
Limit = Annotated[int, Query(ge=1, le=1000)]


def jobs_router(studio: Studio) -> APIRouter:
    router = APIRouter(prefix="/api")

    def shown(job: Job) -> Json:
        return Json(studio.jobs_json([job])[0])

    @router.post("/jobs")
    def submit(values: Sent) -> Json:
        """Queues a generation. `tab` and `owner` aside, all values are fields of the request (`/api/parameters`)."""
        tab, owner = str(values.pop("tab", "txt2img")), str(values.pop("owner", ""))
        return shown(studio.submit(values, tab, owner))

    @router.get("/jobs")
    def jobs(limit: Limit = 50) -> Json:
        """The newest jobs first, dismissed ones left out."""
        return Json({"jobs": studio.jobs_json(studio.jobs(limit))})

    @router.get("/jobs/{job_id}")
    def job(job_id: str) -> Json:
        """A job with its whole request."""
        found = studio.job(job_id)
        return Json({**studio.jobs_json([found])[0], "request": found.request.model_dump()})

    @router.post("/stop")
    def stop_running(values: Sent) -> Json:
        """Stops the job that runs, if one does. `how`: "interrupt" (the default) or "skip"."""
        studio.stop(None, str(values.get("how", "interrupt")))
        return Json({})

    @router.post("/jobs/{job_id}/stop")
    def stop(job_id: str, values: Sent) -> Json:
        """Stops this job if it runs. `how`: "interrupt" (the default; what is done stays) or "skip" (this batch)."""
        studio.stop(job_id, str(values.get("how", "interrupt")))
        return shown(studio.job(job_id))

    @router.post("/jobs/{job_id}/cancel")
    def cancel(job_id: str) -> Json:
        """Takes a waiting job out of the queue."""
        return shown(studio.cancel(job_id))

    @router.post("/jobs/{job_id}/resubmit")
    def resubmit(job_id: str) -> Json:
        """Queues the same request once more and gives the new job."""
        return shown(studio.resubmit(job_id))

    @router.post("/jobs/{job_id}/dismiss")
    def dismiss(job_id: str) -> Json:
        """Takes a job that is over off the lists; it stays in the history."""
        return shown(studio.dismiss(job_id))

    return router
