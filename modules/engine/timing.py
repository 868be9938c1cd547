"""How prompts that change while sampling are counted: by the network's calls, as A1111 does."""

from __future__ import annotations

from ..core.registry import SAMPLERS
from ..core.request import GenerationRequest
from ..diffusion.schedules import custom_levels
from ..text.prompt import Timing
from .run import Run


def timing_of(run: Run) -> Timing:
    """The timing of a pass. The second one of hires fix counts on from where the first ended."""
    first = calls_of(run.first_pass) if run.first_pass else None
    endless = bool(SAMPLERS.get(run.request.sampler).facts.get("endless"))
    return Timing(calls_of(run.request), first, run.request.use_old_scheduling, begins_anew=endless)


def calls_of(request: GenerationRequest) -> int:
    """How often the sampler is expected to ask the network. From a picture too, all steps count."""
    facts = SAMPLERS.get(request.sampler).facts
    levels = request.custom_sigmas.strip()
    steps = len(custom_levels(levels)) - 1 if levels else request.steps
    return steps if facts.get("endless") else steps * facts.get("model_calls", 1)
