"""Draws a scene as a picture: sky, lights, ground, then the things. Everything is drawn at twice the size."""

from __future__ import annotations

import math
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .things import DRAWINGS, INK, WINDOW_AT_NIGHT, Pen, blend, light
from .world import COLOURS, FLYING, TALL, Colour, Postcard, Scene, Shapes, Thing

OVERSAMPLING = 2
PAPER: Colour = (250, 246, 236)
MOONLIGHT: Colour = (255, 246, 205)
MOON_SIZES = {"moon": 0.1, "full moon": 0.15, "crescent": 0.115}  # radius in shorter sides

SKY_STOPS: dict[str, tuple[Colour, ...]] = {
    "day": ((64, 152, 232), (140, 204, 246), (214, 238, 252)),
    "night": ((10, 14, 52), (24, 32, 88), (60, 66, 132)),
    "dawn": ((152, 140, 214), (238, 176, 206), (255, 222, 196)),
    "sunset": ((120, 44, 110), (232, 92, 62), (255, 196, 84)),
    "storm": ((50, 58, 68), (88, 98, 108), (138, 146, 152)),
}
SKY_TINT: dict[str, tuple[Colour, float]] = {
    "day": ((255, 255, 255), 0.0),
    "night": ((16, 20, 62), 0.58),
    "dawn": ((236, 176, 200), 0.24),
    "sunset": ((150, 52, 62), 0.34),
    "storm": ((70, 78, 88), 0.42),
}
GROUND_COLOURS: dict[str, tuple[Colour, Colour, Colour]] = {
    "hills": ((150, 196, 140), (112, 176, 96), (80, 150, 72)),
    "desert": ((240, 206, 140), (230, 184, 110), (214, 160, 86)),
    "sea": ((70, 150, 190), (48, 126, 176), (34, 104, 158)),
    "snow": ((214, 228, 242), (232, 240, 248), (246, 250, 254)),
    "meadow": ((150, 206, 96), (128, 192, 80), (110, 176, 68)),
    "city": ((150, 156, 178), (112, 118, 146), (92, 94, 104)),
}
SLOT = {"left": 0.22, "middle": 0.5, "right": 0.78}
FOOT = {"mountain": 0.72}
THING_SIZE = {"mountain": 1.15, "flower": 0.9, "car": 0.85, "fish": 0.72, "mushroom": 0.85, "lighthouse": 1.2}


def draw(scene: Scene, width: int, height: int) -> Image.Image:
    """The scene as an RGB picture of width x height pixels; the same scene gives the same picture."""
    rng = Random(scene.seed)
    size = (width * OVERSAMPLING, height * OVERSAMPLING)
    picture = draw_shapes(scene, size, rng) if isinstance(scene, Shapes) else draw_postcard(scene, size, rng)
    if scene.style == "pencil sketch":
        picture = pencil_sketch(picture)
    return picture.reduce(OVERSAMPLING)


def draw_shapes(scene: Shapes, size: tuple[int, int], rng: Random) -> Image.Image:
    width, height = size
    picture = Image.new("RGB", size, COLOURS[scene.background])
    canvas = ImageDraw.Draw(picture)
    for thing in scene.things:
        side = min(width, height) * rng.uniform(0.48, 0.6) if thing.solo else min(width * 0.38, height * 0.5)
        side *= rng.uniform(0.94, 1.06)
        slot = 0.5 + (SLOT[thing.place] - 0.5) * (0.62 if thing.solo else 0.93)
        x = width * slot + side * rng.uniform(-0.05, 0.05)
        y = height * 0.5 + side * (0.5 + rng.uniform(-0.08, 0.08))
        DRAWINGS[thing.kind](Pen(canvas, x, y, side), COLOURS[thing.colour])
    return picture


def draw_postcard(scene: Postcard, size: tuple[int, int], rng: Random) -> Image.Image:
    height = size[1]
    picture = draw_sky(scene.sky, size)
    canvas = ImageDraw.Draw(picture, "RGBA")
    horizon = height * rng.uniform(0.58, 0.66)
    glow_x = draw_lights(scene, canvas, size, rng)
    back = [t for t in scene.things if t.kind == "mountain"]
    for thing in back:
        draw_thing(thing, scene, canvas, size, horizon + height * 0.1, rng)
    draw_ground(scene, canvas, size, horizon, glow_x, rng)
    for thing in scene.things:
        if thing not in back:
            draw_thing(thing, scene, canvas, size, horizon, rng)
    if scene.sky == "storm":
        draw_rain(canvas, size, rng)
    return picture


def draw_sky(sky: str, size: tuple[int, int]) -> Image.Image:
    top, middle, bottom = SKY_STOPS[sky]
    column = Image.new("RGB", (1, 5))
    for row, colour in enumerate((top, blend(top, middle, 0.6), middle, bottom, bottom)):
        column.putpixel((0, row), colour)
    return column.resize(size, Image.Resampling.BILINEAR, box=(0, 0.5, 1, 4.5))


def tinted(colour: Colour, sky: str) -> Colour:
    """A ground colour in the light of that sky."""
    return blend(colour, *SKY_TINT[sky])


def draw_lights(scene: Postcard, canvas: ImageDraw.ImageDraw, size: tuple[int, int], rng: Random) -> float | None:
    """Sun, moon, stars, clouds, lightning. Gives the x of what shines, for its reflection on the sea."""
    width, height = size
    unit = min(size)
    taken = {t.place for t in scene.things if t.kind in TALL}
    free = [p for p in ("right", "left", "middle") if p not in taken] or ["right"]
    x = width * SLOT[rng.choice(free[:2])] + unit * rng.uniform(-0.04, 0.04)
    if "stars" in scene.lights:
        for _ in range(round(26 * width * height / unit**2)):
            r = unit * rng.choice((0.004, 0.006, 0.009))
            sx, sy = rng.uniform(0, width), rng.uniform(0, height * 0.55)
            canvas.ellipse((sx - r, sy - r, sx + r, sy + r), fill=(255, 252, 230))
    if "sun" in scene.lights:
        low = scene.sky in ("sunset", "dawn")
        disc = {"day": (255, 224, 70), "dawn": (255, 244, 200), "sunset": (255, 232, 120)}[scene.sky]
        draw_disc(canvas, x, height * rng.uniform(0.4, 0.48) if low else height * 0.2, unit * 0.115, disc)
    for moon in MOON_SIZES.keys() & set(scene.lights):
        draw_moon(canvas, x, height * rng.uniform(0.18, 0.22), unit * MOON_SIZES[moon], moon == "crescent")
    if scene.sky == "storm":
        for _ in range(3):
            place = rng.uniform(0, width), height * rng.uniform(0.04, 0.2)
            draw_cloud(canvas, *place, unit * rng.uniform(0.3, 0.42), (40, 46, 56))
        if "lightning" in scene.lights:
            draw_lightning(canvas, x, height, unit)
    if "clouds" in scene.lights:
        white = {"day": (255, 255, 255), "dawn": (255, 234, 236), "sunset": (255, 178, 130)}[scene.sky]
        for slot in rng.sample((0.12, 0.36, 0.62, 0.88), 2):
            draw_cloud(canvas, width * slot, height * rng.uniform(0.14, 0.34), unit * rng.uniform(0.22, 0.3), white)
    return x if {"sun", *MOON_SIZES} & set(scene.lights) else None


def draw_disc(canvas: ImageDraw.ImageDraw, x: float, y: float, r: float, colour: Colour) -> None:
    for grown, alpha in ((1.7, 40), (1.32, 70), (1.0, 255)):
        canvas.ellipse((x - r * grown, y - r * grown, x + r * grown, y + r * grown), fill=(*colour, alpha))


def draw_moon(canvas: ImageDraw.ImageDraw, x: float, y: float, r: float, crescent: bool) -> None:
    if not crescent:
        draw_disc(canvas, x, y, r, MOONLIGHT)
        for dx, dy, crater in ((-0.35, -0.2, 0.22), (0.3, 0.32, 0.26), (0.28, -0.45, 0.14)):
            cx, cy, cr = x + dx * r, y + dy * r, crater * r
            canvas.ellipse((cx - cr, cy - cr, cx + cr, cy + cr), fill=(232, 220, 176))
        return
    outer = [(x + r * math.cos(a), y + r * math.sin(a)) for a in (math.pi * (0.35 + k / 14 * 1.3) for k in range(15))]
    hollow = (math.pi * (1.65 - k / 14 * 1.3) for k in range(15))
    inner = [(x + r * 0.5 * math.cos(a), y + r * 0.9 * math.sin(a)) for a in hollow]
    canvas.polygon(outer + inner, fill=MOONLIGHT)


def draw_cloud(canvas: ImageDraw.ImageDraw, x: float, y: float, w: float, colour: Colour) -> None:
    for dx, dy, r in ((-0.3, 0.0, 0.17), (-0.08, -0.1, 0.23), (0.2, -0.03, 0.19)):
        cx, cy, cr = x + dx * w, y + dy * w, r * w
        canvas.ellipse((cx - cr, cy - cr, cx + cr, cy + cr), fill=(*colour, 235))
    canvas.rounded_rectangle((x - 0.5 * w, y - 0.02 * w, x + 0.5 * w, y + 0.17 * w), 0.09 * w, fill=(*colour, 235))


def draw_lightning(canvas: ImageDraw.ImageDraw, x: float, height: float, unit: float) -> None:
    points = ((0.0, 0.2), (-0.09, 0.42), (-0.01, 0.42), (-0.07, 0.62), (0.1, 0.36), (0.02, 0.36), (0.09, 0.2))
    canvas.polygon([(x + px * unit, py * height) for px, py in points], fill=(255, 240, 130))


def draw_rain(canvas: ImageDraw.ImageDraw, size: tuple[int, int], rng: Random) -> None:
    width, height = size
    unit = min(size)
    for _ in range(round(34 * width * height / unit**2)):
        x, y = rng.uniform(0, width * 1.1), rng.uniform(0, height)
        canvas.line((x, y, x - unit * 0.03, y + unit * 0.08), fill=(206, 218, 230, 110), width=max(1, unit // 120))


def ridge(width: float, y: float, swing: float, waves: float, phase: float) -> list[tuple[float, float]]:
    steps = [k / 24 for k in range(25)]
    return [(width * s, y - swing * math.sin(2 * math.pi * (waves * s + phase))) for s in steps]


def draw_ground(
    scene: Postcard,
    canvas: ImageDraw.ImageDraw,
    size: tuple[int, int],
    horizon: float,
    glow_x: float | None,
    rng: Random,
) -> None:
    width, height = size
    far, mid, near = (tinted(c, scene.sky) for c in GROUND_COLOURS[scene.ground])
    if scene.ground == "sea":
        draw_sea(scene, canvas, size, horizon, glow_x, rng)
        return
    if scene.ground == "city":
        draw_skyline(scene, canvas, size, horizon, rng)
    swing = {"hills": 0.055, "desert": 0.035, "snow": 0.03, "meadow": 0.008, "city": 0.0}[scene.ground]
    waves = width / height * rng.uniform(0.8, 1.3)
    layers = ((far, -0.02, 1.2), (mid, 0.09, 0.9), (near, 0.22, 0.5))
    for colour, drop, strength in layers[1 if scene.ground == "city" else 0 :]:
        line = ridge(width, horizon + height * drop, height * swing * strength, waves, rng.random())
        canvas.polygon([*line, (width, height), (0, height)], fill=colour)
    if scene.ground == "meadow":
        draw_blossoms(scene, canvas, size, horizon, rng)
    if scene.ground == "city":
        draw_road(scene, canvas, size)


def draw_blossoms(
    scene: Postcard, canvas: ImageDraw.ImageDraw, size: tuple[int, int], horizon: float, rng: Random
) -> None:
    width, height = size
    unit = min(size)
    for _ in range(round(22 * width / unit)):
        x, y, r = rng.uniform(0, width), rng.uniform(horizon + unit * 0.08, height), unit * 0.012
        petal = rng.choice(((255, 255, 255), (255, 214, 90), (250, 160, 190)))
        canvas.ellipse((x - r, y - r, x + r, y + r), fill=blend(petal, *SKY_TINT[scene.sky]))


def draw_road(scene: Postcard, canvas: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
    width, height = size
    dash = width / 6
    for k in range(6):
        box = (k * dash + dash * 0.2, height * 0.92, k * dash + dash * 0.8, height * 0.94)
        canvas.rectangle(box, fill=tinted((236, 230, 210), scene.sky))


def draw_skyline(
    scene: Postcard, canvas: ImageDraw.ImageDraw, size: tuple[int, int], horizon: float, rng: Random
) -> None:
    width, height = size
    unit = min(size)
    lit = scene.sky in ("night", "storm", "sunset")
    x = -unit * 0.02
    while x < width:
        block = unit * rng.uniform(0.1, 0.17)
        top = horizon - unit * rng.uniform(0.04, 0.26)
        wall = tinted(blend(*GROUND_COLOURS["city"][:2], rng.random()), scene.sky)
        canvas.rectangle((x, top, x + block, height), fill=wall)
        pane = block / 5
        for row in range(int((horizon + unit * 0.08 - top) / (pane * 2))):
            for column in (1, 3):
                glass = WINDOW_AT_NIGHT if lit and rng.random() < 0.6 else blend(wall, (255, 255, 255), 0.25)
                wx, wy = x + column * pane, top + pane + row * pane * 2
                canvas.rectangle((wx, wy, wx + pane, wy + pane * 1.1), fill=glass)
        x += block


def draw_sea(
    scene: Postcard,
    canvas: ImageDraw.ImageDraw,
    size: tuple[int, int],
    horizon: float,
    glow_x: float | None,
    rng: Random,
) -> None:
    width, height = size
    unit = min(size)
    far, mid, near = (tinted(c, scene.sky) for c in GROUND_COLOURS["sea"])
    canvas.rectangle((0, horizon, width, height), fill=far)
    for colour, drop in ((mid, 0.1), (near, 0.24)):
        line = ridge(width, horizon + height * drop, unit * 0.012, 3.5 * width / unit, rng.random())
        canvas.polygon([*line, (width, height), (0, height)], fill=colour)
    if glow_x is not None:
        shine = MOONLIGHT if scene.sky == "night" else SKY_STOPS[scene.sky][2]
        for k in range(7):
            y, half = horizon + (height - horizon) * (k + 0.4) / 7, unit * (0.05 + 0.014 * k) * rng.uniform(0.7, 1.2)
            canvas.rounded_rectangle(
                (glow_x - half, y, glow_x + half, y + unit * 0.018), unit * 0.009, fill=(*shine, 190)
            )
    for _ in range(round(9 * width / unit)):
        x, y, half = rng.uniform(0, width), rng.uniform(horizon + unit * 0.03, height), unit * rng.uniform(0.02, 0.05)
        canvas.rounded_rectangle((x - half, y, x + half, y + unit * 0.011), unit * 0.005, fill=light(mid, 0.3))


def thing_side(thing: Thing, size: tuple[int, int]) -> float:
    """The mean height of a thing's box, in pixels, in a picture of that size."""
    width, height = size
    side = min(height * (0.46 if thing.solo else 0.37), width * (0.46 if thing.solo else 0.3))
    return side * THING_SIZE.get(thing.kind, 1.0)


def draw_thing(
    thing: Thing, scene: Postcard, canvas: ImageDraw.ImageDraw, size: tuple[int, int], horizon: float, rng: Random
) -> None:
    """One thing at its place; at sea it stands on an islet, and boats and fish on land get a pond."""
    width, height = size
    side = thing_side(thing, size) * rng.uniform(0.94, 1.06)
    slot = 0.5 + (SLOT[thing.place] - 0.5) * (0.86 if thing.solo else 1.0)
    x = width * slot + min(size) * rng.uniform(-0.025, 0.025)
    foot = horizon + height * rng.uniform(0.17, 0.24)
    if thing.kind in FLYING:
        foot = height * 0.33 + side * 0.5 + height * rng.uniform(-0.03, 0.03)
    elif thing.kind == "mountain":
        foot = horizon
    elif thing.kind in ("boat", "fish"):
        if scene.ground != "sea":
            draw_patch(canvas, x, foot, side * 0.66, tinted((84, 160, 206), scene.sky))
        foot += side * (0.04 if thing.kind == "boat" else -0.12)
    elif scene.ground == "sea":
        draw_patch(canvas, x, foot, side * 0.62, tinted((236, 206, 142), scene.sky))
    else:
        draw_patch(canvas, x, foot, side * 0.46, (*INK, 50))
    lit = scene.sky in ("night", "storm")
    DRAWINGS[thing.kind](Pen(canvas, x, foot, side, lit), COLOURS[thing.colour])


def draw_patch(canvas: ImageDraw.ImageDraw, x: float, y: float, half: float, colour: tuple[int, ...]) -> None:
    canvas.ellipse((x - half, y - half * 0.16, x + half, y + half * 0.2), fill=colour)


def pencil_sketch(picture: Image.Image) -> Image.Image:
    """Dark lines where colours meet, and a faint wash of the colours, on paper."""
    step = max(1, min(picture.size) // 128)
    lines = Image.new("L", picture.size, 0)
    for shift in ((step, 0), (0, step), (step, step)):
        edge = ImageChops.difference(picture, ImageChops.offset(picture, *shift))
        red, green, blue = edge.split()
        lines = ImageChops.lighter(lines, ImageChops.lighter(red, ImageChops.lighter(green, blue)))
    lines = lines.point([min(255, max(0, (v - 14) * 5)) for v in range(256)]).filter(ImageFilter.SMOOTH)
    wash = Image.blend(picture, Image.new("RGB", picture.size, PAPER), 0.78)
    wash.paste((62, 60, 66), (0, 0), lines)
    return wash
