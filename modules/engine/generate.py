"""The whole story of a generation, top to bottom."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.errors import Stopped
from ..core.hooks import Hooks
from ..core.pictures import Picture
from .decode import decode
from .encode import Encoder
from .finish import finish
from .model import Model
from .original import original_of
from .run import Run
from .sample import Previews, sample
from .start import starting_latents


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
            conditioning = encoder.encode(run, batch, model, hooks)
            latents = sample(run, batch, starting_latents(run, batch, model), conditioning, model, hooks, previews)
            for position, image in enumerate(decode(run, batch, latents, model, hooks)):
                yield finish(run, batch, position, image, model, hooks)
        except Stopped:
            if run.stop.interrupted:
                raise
            run.stop.next_batch()
