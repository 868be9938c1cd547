"""Going on with a script's job that ended early: what is there already is not painted again."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.request import GenerationRequest
from ..core.scripts import DONE, RESULTS
from .history import PictureRecord
from .queue import FINISHED, Job


def resumed(request: GenerationRequest, old: Job, records: Iterable[PictureRecord]) -> GenerationRequest:
    """`request` as it is queued again after `old`, whose pictures are `records`: those of an unfinished script, and
    those that it had taken over itself, stand in its arguments as `done`: the file of each by its index.
    """
    if old.state == FINISHED or not request.scripts:
        return request
    scripts = {}
    for name, arguments in request.scripts.items():
        made = {str(one.index): str(one.path) for one in records if one.index < request.pictures and not one.missing}
        done = {**old.request.scripts.get(name, {}).get(DONE, {}), **made}
        scripts[name] = (
            {**arguments, DONE: done, RESULTS: max(1, arguments[RESULTS] - len(done))} if done else arguments
        )
    return request.model_copy(update={"scripts": scripts})
