"""Looking inside what is painted, on behalf of people: painted once more for that, or while it is painted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ..core.request import GenerationRequest
from ..core.sections.hires import SAME_SAMPLER
from ..core.sections.inspect import EVERY_STEP, INSPECT
from ..text.seeing import seen_prompt
from ..text.words import Vocabulary
from .dispatcher import Dispatcher
from .history import History
from .inspections import Inspections
from .queue import Job, JobQueue
from .reproducing import Reproduction

# What of a request says how its prompts are read.
READ = (
    *("prompt", "negative_prompt", "styles", "steps", "sampler", "emphasis", "comma_padding_backtrack"),
    *("enable_prompt_comments", "use_old_scheduling", "enable_hr", "hr_prompt", "hr_negative_prompt"),
    *("hr_second_pass_steps", "hr_sampler_name"),
)
Fill = Callable[[Mapping[str, Any], str], GenerationRequest]


class InspectionDesk:
    """Orders what is to be seen, and finds what was. Its methods may be called from any thread; none waits."""

    def __init__(
        self,
        store: Inspections,
        history: History,
        queue: JobQueue,
        dispatcher: Dispatcher,
        fill: Fill,
        reproduced: Callable[[int], Reproduction],
        styled: Callable[[GenerationRequest], GenerationRequest],
    ) -> None:
        """`fill` completes the values of a request for a tab, `reproduced` gives those of a picture of the history, and
        `styled` puts a request's styles into its prompts.
        """
        self.store, self._history, self._queue, self._dispatcher = store, history, queue, dispatcher
        self._fill, self._reproduced, self._styled = fill, reproduced, styled

    def look(self, picture: int, steps: str = EVERY_STEP, owner: str = "") -> tuple[Job, list[str]]:
        """Queues a picture of the history once more, only to see these steps of it; with the job come sentences about
        what will differ. Raises NotFound, and UserError when it cannot be painted again.
        """
        found = self._reproduced(picture)
        request = self._fill({**found.values, "inspect": steps, "inspect_only": True}, found.tab)
        job = self._dispatcher.submit(request, INSPECT, owner)
        self.store.begin(job.id, picture)
        return job, found.differences

    def round_trip(self, stored: str, vae: str = "", owner: str = "") -> Job:
        """Queues the way of a stored picture through the VAE (empty: the usual one) and back. Raises UserError."""
        values = {"init_image": stored, "vae_round_trip": True, "inspect_only": True, **({"vae": vae} if vae else {})}
        return self._dispatcher.submit(self._fill(values, INSPECT), INSPECT, owner)

    def watch(self, job_id: str) -> Job:
        """Has the steps of a running job told from now on; any other one stays as it is. Raises NotFound."""
        job = self._queue.get(job_id)
        self._dispatcher.watch(job_id)
        return job

    def seen(self, job_id: str) -> tuple[Job, list[dict[str, Any]]]:
        """A job, and the facts of all that was seen inside it. Raises NotFound."""
        return self._queue.get(job_id), self.store.steps(job_id)

    def job_of(self, picture: int) -> tuple[str, int]:
        """The job inside which a picture of the history was seen, and its number there; ("", 0) when none is kept.
        Raises NotFound.
        """
        record = self._history.get(picture)
        if record.job and any(facts["picture"] == record.index for facts in self.store.steps(record.job)):
            return record.job, record.index
        return self.store.job_for(picture), 0

    def prompts_of(self, picture: int) -> list[dict[str, Any]]:
        """The prompts of a picture of the history, as `prompts` gives them. Raises NotFound or UserError."""
        return self.prompts(self._reproduced(picture).values)

    def prompts_in(self, job_id: str) -> list[dict[str, Any]]:
        """The prompts of a job, as `prompts` gives them. Raises NotFound."""
        return self.prompts(self._queue.get(job_id).request.model_dump())

    def prompts(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Both prompts of each pass of a request, token by token. Raises UserError when the values do not fit."""
        known = {name: values[name] for name in READ if name in values}
        request, words = self._styled(GenerationRequest.checked(known)), self._dispatcher.words()
        return [_pass(request, None, words), *([_pass(_second(request), request, words)] if request.enable_hr else [])]


def _pass(request: GenerationRequest, first: GenerationRequest | None, words: Vocabulary) -> dict[str, Any]:
    positive = seen_prompt(request.prompt, request, first_pass=first, vocabulary=words)
    negative = seen_prompt(request.negative_prompt, request, negative=True, first_pass=first, vocabulary=words)
    return {"prompt": asdict(positive), "negative_prompt": asdict(negative)}


def _second(request: GenerationRequest) -> GenerationRequest:
    """What the second pass of hires fix makes of a request, as far as prompts go."""
    same = request.hr_sampler_name in ("", SAME_SAMPLER)
    return request.model_copy(
        update={
            "prompt": request.hr_prompt or request.prompt,
            "negative_prompt": request.hr_negative_prompt or request.negative_prompt,
            "steps": request.hr_second_pass_steps or request.steps,
            "sampler": request.sampler if same else request.hr_sampler_name,
        }
    )
