"""Reads a picture of this world back: which colours, which shape, which sky, is there a moon. No learning involved."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage, signal

from .drawing import FOOT, MOONLIGHT, SLOT, draw_sky, thing_side
from .things import DRAWINGS, Pen
from .world import COLOURS, FLYING, PLACES, SHAPES, SKIES, Colour, Shapes, Thing

READING_SIZE = 128
MARKS: tuple[Colour, Colour] = ((255, 0, 255), (0, 255, 10))
LIKENESS_REACH = 16.0
SKY_SHARE = 0.3
MOON_TOLERANCE = 16.0
MOON_AREA = 0.011
MASK_SIDE = 64
FIT_SCALES = (0.9, 1.0, 1.1)


def lab(pixels: np.ndarray) -> np.ndarray:
    """sRGB (..., 3) from 0 to 255 as CIE L*a*b* (D65), where distances follow the eye."""
    c = np.asarray(pixels, dtype=np.float64) / 255
    c = np.where(c > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
    xyz = c @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    f = np.cbrt(xyz / (0.9505, 1.0, 1.089))
    return np.stack((116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])), -1)


NAMES = list(COLOURS)
PALETTE = lab(np.array(list(COLOURS.values())))


def to_reading_size(picture: Image.Image) -> Image.Image:
    """The picture with its shorter side at 128 pixels: what the thresholds below are made for."""
    share = READING_SIZE / min(picture.size)
    if share == 1:
        return picture
    return picture.resize((round(picture.width * share), round(picture.height * share)), Image.Resampling.BOX)


def nearest_colour(pixels: np.ndarray) -> str:
    """The name for the median of some pixels, (n, 3)."""
    return NAMES[int(np.square(lab(np.median(pixels, 0)) - PALETTE).sum(-1).argmin())]


# plain shapes


def read_shapes(picture: Image.Image, scene: Shapes) -> tuple[str, list[tuple[str, str]]]:
    """The background's colour, and shape and colour of each thing; several things stand side by side."""
    pixels = np.asarray(to_reading_size(picture))
    rim = np.concatenate([pixels[:6].reshape(-1, 3), pixels[-6:].reshape(-1, 3)])
    parts = np.array_split(np.arange(pixels.shape[1]), len(scene.things))
    return nearest_colour(rim), [read_shape(pixels[:, part], rim) for part in parts]


def read_shape(pixels: np.ndarray, rim: np.ndarray) -> tuple[str, str]:
    """Shape and colour of the largest patch that differs from the background."""
    distance = np.sqrt(np.square(lab(pixels) - lab(np.median(rim, 0))).sum(-1))
    mask = distance > max(8.0, np.percentile(distance, 98) / 2)
    labels, count = ndimage.label(mask)
    if count == 0:
        return "nothing", nearest_colour(rim)
    mask = labels == 1 + int(np.argmax(ndimage.sum_labels(mask, labels, range(1, count + 1))))
    inner = ndimage.binary_erosion(mask, iterations=3)
    colour = nearest_colour(pixels[inner if inner.any() else mask])
    fits = {shape: overlap(framed(mask), shape_mask(shape)) for shape in SHAPES}
    return max(fits, key=fits.__getitem__), colour


def framed(mask: np.ndarray) -> np.ndarray:
    """The mask's bounding box stretched to 64 x 64."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    image = Image.fromarray(box.astype(np.uint8) * 255).resize((MASK_SIDE, MASK_SIDE), Image.Resampling.BILINEAR)
    return np.asarray(image) > 127


@cache
def shape_mask(shape: str) -> np.ndarray:
    return framed(thing_mask(shape, 100)[0])


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


# postcards


def read_sky(picture: Image.Image) -> str:
    """The sky whose colours the upper third's rows are nearest to."""
    picture = to_reading_size(picture)
    rows = round(picture.height * SKY_SHARE)
    seen = lab(np.median(np.asarray(picture)[:rows], 1))
    distances = {sky: np.sqrt(np.square(seen - sky_rows(sky, picture.height)[:rows]).sum(-1)).mean() for sky in SKIES}
    return min(distances, key=distances.__getitem__)


@cache
def sky_rows(sky: str, height: int) -> np.ndarray:
    return lab(np.asarray(draw_sky(sky, (1, height)))[:, 0])


def has_moon(picture: Image.Image) -> bool:
    """Whether the upper half holds a patch of moonlight as large as a crescent."""
    picture = to_reading_size(picture)
    upper = lab(np.asarray(picture)[: picture.height // 2])
    shining = np.sqrt(np.square(upper - lab(np.array(MOONLIGHT))).sum(-1)) < MOON_TOLERANCE
    labels, count = ndimage.label(shining)
    largest = max(ndimage.sum_labels(shining, labels, range(1, count + 1)), default=0)
    return largest > MOON_AREA * READING_SIZE**2


@cache
def thing_mask(kind: str, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where a thing has its colour, where it has colours that are always the same, and where it is at all.

    Masks of 2 side x 2 side, the thing's box in the middle.
    """
    drawings = []
    for mark in MARKS:
        image = Image.new("RGB", (2 * side, 2 * side), (1, 2, 3))
        DRAWINGS[kind](Pen(ImageDraw.Draw(image), side, side * 1.5, side), mark)
        drawings.append(np.asarray(image))
    body, whole = (drawings[0] == MARKS[0]).all(-1), (drawings[0] != (1, 2, 3)).any(-1)
    if kind == "mountain":  # the ground hides its foot
        body[round(side * 1.1) :] = whole[round(side * 1.1) :] = False
    return body, whole & (drawings[0] == drawings[1]).all(-1), whole


@cache
def thing_kernel(kind: str, side: int) -> np.ndarray:
    """Its sum over a map of likeness to a colour: the mean likeness in the thing's coloured part, less the mean in its
    other parts (sails, windows, snow) and just around it.
    """
    body, fixed, whole = thing_mask(kind, side)
    ring = ndimage.binary_dilation(whole, iterations=max(3, side // 8)) & ~ndimage.binary_dilation(whole)
    return body / body.sum() - 0.5 * ring / ring.sum() - 0.5 * fixed / max(1, fixed.sum())


def likeness(picture: Image.Image) -> np.ndarray:
    """How near every pixel is to each named colour, 0 to 1, (colours, height, width)."""
    distance = np.square(lab(np.asarray(picture))[:, :, None, :] - PALETTE).sum(-1)
    return np.exp(-distance / LIKENESS_REACH**2).transpose(2, 0, 1)


def colour_fits(likenesses: np.ndarray, thing: Thing, place: str, colours: list[str]) -> dict[str, float]:
    """How well each colour fits the thing at that place, at its best nearby position and size; 1 is perfect."""
    _, height, width = likenesses.shape
    side = thing_side(thing, (width, height))
    slot = 0.5 + (SLOT[place] - 0.5) * (0.86 if thing.solo else 1.0)
    x, y = round(width * slot), round(middle_of(thing, side, height))
    reach_x, reach_y = round(0.06 * height), round(0.08 * height)
    fits = dict.fromkeys(colours, 0.0)
    for scale in FIT_SCALES:
        kernel = thing_kernel(thing.kind, round(side * scale))
        half = kernel.shape[0] // 2
        pad = half + reach_y
        rows = slice(y - reach_y - half + pad, y + reach_y + half + pad)
        columns = slice(x - reach_x - half + pad, x + reach_x + half + pad)
        for name in colours:
            window = np.pad(likenesses[NAMES.index(name)], pad)[rows, columns]
            fits[name] = max(fits[name], float(signal.fftconvolve(window, kernel[::-1, ::-1], "valid").max()))
    return fits


def middle_of(thing: Thing, side: float, height: int) -> float:
    """The y of the middle of a thing's box, for the drawing's mean foot."""
    if thing.kind in FLYING:
        return height * 0.33
    foot = FOOT.get(thing.kind, 0.825) * height
    if thing.kind in ("boat", "fish"):
        foot += side * (0.04 if thing.kind == "boat" else -0.12)
    return foot - side / 2


def read_thing(picture: Image.Image, thing: Thing) -> tuple[str, str]:
    """The colour of that thing at its place, and the place where its colour fits best."""
    near = likeness(to_reading_size(picture))[:, ::2, ::2]
    here = colour_fits(near, thing, thing.place, NAMES)
    places = {place: colour_fits(near, thing, place, [thing.colour])[thing.colour] for place in PLACES}
    return max(here, key=here.__getitem__), max(places, key=places.__getitem__)


def tally(right: list[bool]) -> float:
    """The share of what is right, 0 to 1."""
    return Counter(right)[True] / len(right) if right else 0.0
