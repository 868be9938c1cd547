"""Jobs and pictures as JSON, the same in news, snapshots and answers of the API."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..core.events import Preview
from ..core.model_work import title
from ..core.pictures import Abilities
from .history import History, PictureRecord
from .queue import Job

MOST_PICTURES = 100


def job_json(job: Job, pictures: Sequence[PictureRecord]) -> dict[str, Any]:
    """A job for lists: what it is, how it stands and its newest pictures. Times in seconds since 1970."""
    request = job.request
    return {
        "id": job.id,
        "state": job.state,
        "tab": job.tab,
        "owner": job.owner,
        "prompt": request.prompt,
        "work": title(request.model_work),
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "width": request.width,
        "height": request.height,
        "steps": request.steps,
        "checkpoint": request.checkpoint,
        "total": request.results,
        "done": len(job.pictures),
        "pictures": [picture_json(picture) for picture in pictures],
        "message": job.message,
        "hint": job.hint,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "dismissed": job.dismissed,
    }


def jobs_json(jobs: Sequence[Job], history: History) -> list[dict[str, Any]]:
    """Jobs with their newest pictures, looked up together."""
    wanted = [picture for job in jobs for picture in job.pictures[-MOST_PICTURES:]]
    found = {record.id: record for record in history.many(wanted)}
    return [job_json(job, [found[one] for one in job.pictures[-MOST_PICTURES:] if one in found]) for job in jobs]


def picture_json(record: PictureRecord) -> dict[str, Any]:
    """A picture and where it can be had. The address changes with the picture, so it may be cached for ever."""
    version = f"v={int(record.created * 1000):x}"
    return {
        "job": record.job,
        "id": record.id,
        "index": record.index,
        "url": f"/pictures/{record.id}?{version}",
        "thumbnail": f"/pictures/{record.id}/thumbnail?{version}",
        "width": record.width,
        "height": record.height,
        "seed": record.seed,
        "model": record.model,
        "prompt": record.prompt,
        "infotext": record.infotext,
        "created": record.created,
        "file": str(record.path),
        "name": record.path.name,
        "missing": record.missing,
        "starred": record.starred,
        "trashed": record.trashed,
        "folder": record.folder,
    }


def preview_json(preview: Preview) -> dict[str, Any]:
    image = "data:image/jpeg;base64," + base64.b64encode(preview.jpeg).decode()
    return {"job": preview.job, "image": image, "width": preview.width, "height": preview.height}


def abilities_json(abilities: Abilities | None) -> dict[str, Any] | None:
    return None if abilities is None else asdict(abilities)
