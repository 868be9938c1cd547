"""What img2img, inpainting and outpainting do with the starter model, read off its pictures.

    python -m benchmarks.repainting [--count 24]

Drawn pictures of the starter's world are painted over, so that what was there is known; the evaluator of the starter
reads back what is there afterwards. Writes benchmarks/results/repainting.md and a sheet of examples beside it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy
from PIL import Image

from modules import flags
from modules.app import folders_for
from modules.core.events import PictureDone
from modules.core.hooks import Hooks
from modules.core.request import GenerationRequest
from modules.core.stop import StopToken
from modules.engine.engine import Engine
from modules.jobs.inputs import InputPictures
from tools.starter_model.captions import GROUND_PHRASES, SKY_PHRASES
from tools.starter_model.drawing import draw
from tools.starter_model.evaluate import asked
from tools.starter_model.reading import lab, read_shapes, read_sky, tally
from tools.starter_model.sampling import contact_sheet
from tools.starter_model.world import COLOURS, SHAPES, SKIES, Postcard, random_postcard, random_shapes

from .versus import RESULTS, STARTER

SIZE, GROWN = 128, 64
HEAD = """# Painting over pictures with the starter model

`python -m benchmarks.repainting`: drawn pictures are painted over, and what is there afterwards is read off.

| what | share | of |
|---|---|---|
"""
Paint = Callable[..., Image.Image]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.repainting", description=__doc__)
    parser.add_argument("--count", type=int, default=24, help="pictures of each kind")
    count = parser.parse_args().count
    paint = _painter(Path(tempfile.mkdtemp(prefix="repainting-")))
    lines, examples = [], []
    for measure in (inpainting, strengths, outpainting):
        found, shown = measure(paint, count)
        lines, examples = lines + found, examples + shown
    RESULTS.mkdir(exist_ok=True)
    contact_sheet([_on_white(one) for one in examples], columns=6).save(RESULTS / "repainting.png")
    rows = "".join(f"| {what} | {share:.0%} | {number} |\n" for what, share, number in lines)
    (RESULTS / "repainting.md").write_text(f"{HEAD}{rows}\n![before and after](repainting.png)\n")
    print((RESULTS / "repainting.md").read_text())


def inpainting(paint: Paint, count: int) -> tuple[list[tuple[str, float, int]], list[Image.Image]]:
    """A shape is masked, and another one in another colour asked for in its place."""
    rng, kept, left, became, shown = Random(1), [], [], [], []
    for scene in (random_shapes(rng, 1) for _ in range(count)):
        scene = replace(scene, style="flat")
        thing = scene.things[0]
        colour = rng.choice([name for name in COLOURS if name not in (thing.colour, scene.background)])
        wanted = replace(scene, things=(replace(thing, colour=colour, kind=rng.choice(SHAPES)),))
        before = draw(scene, SIZE, SIZE)
        mask = _around(numpy.asarray(before))
        after = paint(before, asked(wanted, rng), mask=mask, mask_blur=2, denoising_strength=1, masked_content="fill")
        outside = numpy.asarray(Image.fromarray(mask).reduce(1))[..., 0] == 0
        kept.append(bool((numpy.asarray(after) == numpy.asarray(before))[_far_from(outside)].all()))
        _, seen = read_shapes(after, wanted)
        left.append(seen[0][1] != thing.colour)
        became.append(seen[0][1] == colour)
        shown += [before, after]
    return [
        ("inpainting: every pixel outside of the blurred mask is the original's", tally(kept), count),
        ("inpainting: the old colour is gone", tally(left), count),
        ("inpainting: the colour that was asked for is there", tally(became), count),
    ], shown[:6]


def strengths(paint: Paint, count: int) -> tuple[list[tuple[str, float, int]], list[Image.Image]]:
    """A postcard is painted over with another sky in the prompt, gently and strongly."""
    rng, stays, turns, alike, unlike, shown = Random(2), [], [], [], [], []
    for _ in range(count):
        while not (scene := replace(random_postcard(rng), style="flat")).things:
            pass
        other = rng.choice([sky for sky in SKIES if sky != scene.sky])
        before = draw(scene, SIZE, SIZE)
        gentle, strong = (
            paint(before, asked(replace(scene, sky=other), rng), denoising_strength=strength) for strength in (0.3, 0.9)
        )
        stays.append(read_sky(gentle) == scene.sky)
        turns.append(read_sky(strong) == other)
        alike.append(_likeness(before, gentle) > 0.9)
        unlike.append(_likeness(before, strong) < 0.9)
        shown += [before, gentle, strong]
    return [
        ("denoising 0.3: the sky stays what it was", tally(stays), count),
        ("denoising 0.3: the layout stays (light and dark correlate above 0.9)", tally(alike), count),
        ("denoising 0.9: the sky is the one that was asked for", tally(turns), count),
        ("denoising 0.9: the layout does not stay", tally(unlike), count),
    ], shown[:6]


def outpainting(paint: Paint, count: int) -> tuple[list[tuple[str, float, int]], list[Image.Image]]:
    """A view over the sea is carried on to the right. The horizon's height differs from view to view."""
    rng, level, by_chance, shown = Random(3), [], [], []
    for _ in range(count):
        scene = Postcard(rng.choice(SKIES), "sea", seed=rng.getrandbits(32))
        before = draw(scene, SIZE, SIZE)
        prompt = f"{rng.choice(GROUND_PHRASES['sea'])} {rng.choice(SKY_PHRASES[scene.sky])}"
        after = paint(before, prompt, outpaint_right=GROWN, width=SIZE + GROWN, denoising_strength=0.95, mask_blur=4)
        pixels = numpy.asarray(after)
        known, new = _horizon(pixels[:, : SIZE - 16]), _horizon(pixels[:, SIZE + 8 :])
        level.append(abs(known - new) <= 3)
        other = draw(Postcard(scene.sky, "sea", seed=rng.getrandbits(32)), SIZE, SIZE)
        by_chance.append(abs(known - _horizon(numpy.asarray(other))) <= 3)
        shown += [before, after]
    return [
        ("outpainting: the horizon goes on at its height (within 3 of 128 pixels)", tally(level), count),
        ("the same for two unrelated pictures", tally(by_chance), count),
    ], shown[:6]


def _painter(folder: Path) -> Paint:
    """Paints over a picture with the starter model, as a job would."""
    folders = folders_for(flags.parse(["--data-dir", str(folder), "--ckpt-dir", str(STARTER.parent)]))
    folders.create()
    inputs = InputPictures(folders.inputs)
    engine = Engine(folders, Hooks(), preview_every=lambda: 0, inputs=inputs.pixels)

    def paint(picture: Image.Image, prompt: str, mask: numpy.ndarray | None = None, **values: Any) -> Image.Image:
        values = {"steps": 20, "sampler": "DPM++ 2M", "cfg_scale": 4.0, "width": SIZE, "height": SIZE, **values}
        values |= {"prompt": prompt, "seed": 1, "checkpoint": STARTER.stem}
        values["init_image"] = inputs.add_pixels(numpy.asarray(picture)).id
        values |= {} if mask is None else {"mask": inputs.add_pixels(mask).id}
        made: list[Any] = []
        engine.generate("job", GenerationRequest.checked(values), made.append, StopToken())
        return Image.fromarray(next(event.picture.pixels for event in made if isinstance(event, PictureDone)))

    return paint


def _around(pixels: numpy.ndarray) -> numpy.ndarray:
    """A white box, some pixels larger than what differs from the background."""
    thing = (pixels.astype(int) - pixels[2, 2]).__abs__().sum(-1) > 60
    rows, columns = numpy.flatnonzero(thing.any(1)), numpy.flatnonzero(thing.any(0))
    mask = numpy.zeros_like(pixels)
    mask[max(rows[0] - 6, 0) : rows[-1] + 7, max(columns[0] - 6, 0) : columns[-1] + 7] = 255
    return mask


def _far_from(outside: numpy.ndarray, reach: int = 5) -> numpy.ndarray:
    """What is outside by more than the blur reaches."""
    inside = numpy.pad(~outside, reach)
    size = 2 * reach + 1
    return ~numpy.lib.stride_tricks.sliding_window_view(inside, (size, size)).any(axis=(2, 3))


def _likeness(one: Image.Image, other: Image.Image) -> float:
    """The correlation of two pictures' light, at an eighth of their size."""
    small = [numpy.asarray(image.convert("L").reduce(8), float).ravel() for image in (one, other)]
    return float(numpy.corrcoef(*small)[0, 1])


def _horizon(pixels: numpy.ndarray) -> int:
    """The row where the colours above and below differ most, as far up and down as horizons are."""
    rows, reach = lab(pixels.mean(axis=1)), 7
    candidates = range(round(0.5 * len(rows)), round(0.74 * len(rows)))
    steps = [rows[row - reach : row].mean(0) - rows[row : row + reach].mean(0) for row in candidates]
    return candidates[int(numpy.square(steps).sum(-1).argmax())]


def _on_white(picture: Image.Image) -> Image.Image:
    """As wide as the widest example."""
    sheet = Image.new("RGB", (SIZE + GROWN, SIZE), "white")
    sheet.paste(picture)
    return sheet


if __name__ == "__main__":
    main()
