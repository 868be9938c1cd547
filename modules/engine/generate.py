"""The whole story of a generation, top to bottom."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..core.errors import Stopped
from ..core.hooks import Hooks
from ..core.pictures import Picture
from .decode import decode
from .encode import Conditioning, Encoder
from .finish import finish
from .hires import first_latents, other_checkpoint, second_run, second_start, second_steps
from .model import Model
from .original import original_of
from .refine import beside, check_refiner, refines_here
from .run import Batch, Run
from .sample import Previews, sample
from .start import Start, starting_latents


def generate(run: Run, model: Model, encoder: Encoder, hooks: Hooks, previews: Previews) -> Iterator[Picture]:
    """Makes the pictures that `run.request` asks for, one after another. Tabs, API and scripts all come through here.

    A prompt becomes vectors; noise becomes latents, refined step by step toward those vectors; latents become pixels.
    txt2img, img2img and inpainting are one story: they differ only in `starting_latents`, which lays the noise over the
    original picture if there is one, and in the mask that says where it is painted over.
    Raises Stopped when the job is interrupted; a skipped batch is left out.
    """
    run.original, run.channels = original_of(run, model), {}
    for batch in run.batches():
        try:
            hooks.call("batch_starting", run=run, batch=batch)
            latents, painter = _painted(run, batch, model, encoder, hooks, previews)
            for position, image in enumerate(decode(run, batch, latents, painter, hooks)):
                yield finish(run, batch, position, image, model, hooks)
        except Stopped:
            if run.stop.interrupted:
                raise
            run.stop.next_batch()


def _painted(
    run: Run, batch: Batch, model: Model, encoder: Encoder, hooks: Hooks, previews: Previews
) -> tuple[Tensor, Model]:
    """Finished latents, and the model whose they are: after one pass, or with hires fix after a larger one."""
    request = run.request
    run.steps_after = second_steps(request)
    if request.enable_hr and request.firstpass_image:
        latents = first_latents(run, batch, model)
    else:
        start = starting_latents(run, batch, model)
        latents = _sample(run, batch, start, model, encoder, hooks, previews, second_pass=False)
    if not request.enable_hr:
        return latents, model
    second, larger = second_run(run, batch)
    painter = beside(run, other_checkpoint(request), "Hires checkpoint") or model
    start = second_start(second, larger, latents, model, painter)
    return _sample(second, larger, start, painter, encoder, hooks, previews, second_pass=True), painter


def _sample(
    run: Run,
    batch: Batch,
    start: Start,
    model: Model,
    encoder: Encoder,
    hooks: Hooks,
    previews: Previews,
    *,
    second_pass: bool,
) -> Tensor:
    """One pass, whose last steps a refiner may do."""

    def refiner() -> tuple[Conditioning, Model]:
        last = beside(run, run.request.refiner_checkpoint, "Refiner") or model
        check_refiner(model, last)
        return encoder.encode(run, batch, last, hooks), last

    conditioning = encoder.encode(run, batch, model, hooks)
    refined = refiner if refines_here(run.request, second_pass=second_pass) else None
    return sample(run, batch, start, conditioning, model, hooks, previews, refined)
