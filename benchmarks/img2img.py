"""Our img2img and inpainting, from a queued job to a saved PNG, against diffusers' pipelines for them.

    python -m benchmarks.img2img [--runs 5] [--only starter|full]

As `benchmarks.txt2img`, from a picture: 20 steps of the starter model at its native size and 4 of a full-size SD 1.5 of
random numbers at 512, of which both sides do three quarters (A1111 counts one step more than diffusers, so our strength
is the lower one). The mask covers the middle quarter; the whole picture is seen. Writes benchmarks/results/img2img.md.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline
from PIL import Image

from .versus import Ours, cases, options, publish, report, row, theirs

SHARE = 0.75  # of the steps


def main() -> None:
    chosen = options("img2img", __doc__)
    folder, rows = Path(tempfile.mkdtemp(prefix="benchmark-")), []
    for case, runs in cases(chosen.only, chosen.runs, steps=20):
        with Ours(case, folder / case.checkpoint.stem) as ours:
            picture, mask = _picture(ours.size), _mask(ours.size)
            stored, painted = (ours.studio._inputs.add_pixels(numpy.asarray(one)) for one in (picture, mask))
            values = {"init_image": stored.id, "denoising_strength": SHARE - 0.5 / case.steps}
            for name, kind, more, their_more in (
                ("img2img", StableDiffusionImg2ImgPipeline, {}, {}),
                (
                    "inpainting",
                    StableDiffusionInpaintPipeline,
                    {"mask": painted.id},
                    {"mask_image": mask, "width": ours.size, "height": ours.size},
                ),
            ):
                other = theirs(kind, case, folder, image=picture, strength=SHARE, **their_more)
                made = f"{name}: {case.name}"
                rows.append(row(made, functools.partial(ours.make, **values, **more), other, runs))
    notes = "Three quarters of the steps are done."
    publish(
        "img2img.md", report("img2img and inpainting against diffusers", "python -m benchmarks.img2img", notes, rows)
    )


def _picture(size: int) -> Image.Image:
    """A smooth picture with some detail."""
    ramp = numpy.linspace(0, 255, size)
    pixels = numpy.stack([ramp[None].repeat(size, 0), ramp[:, None].repeat(size, 1), numpy.full((size, size), 90)], -1)
    noise = numpy.random.default_rng(0).normal(0, 12, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(numpy.uint8))


def _mask(size: int) -> Image.Image:
    """White in the middle quarter."""
    pixels = numpy.zeros((size, size, 3), numpy.uint8)
    pixels[size // 4 : -size // 4, size // 4 : -size // 4] = 255
    return Image.fromarray(pixels)


if __name__ == "__main__":
    main()
