"""What can be in a picture: colours, shapes, skies, grounds, things, and how a scene is drawn by lot."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from zlib import crc32

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (214, 44, 46),
    "orange": (244, 134, 30),
    "yellow": (250, 212, 50),
    "green": (44, 158, 66),
    "teal": (18, 176, 176),
    "blue": (38, 92, 216),
    "purple": (128, 58, 180),
    "pink": (248, 150, 192),
    "brown": (122, 72, 40),
    "white": (248, 248, 246),
    "gray": (142, 146, 152),
    "black": (26, 26, 30),
}
SHAPES = ("circle", "square", "triangle", "diamond", "star", "heart", "cross")
SKIES = ("day", "night", "dawn", "sunset", "storm")
GROUNDS = ("hills", "desert", "sea", "snow", "meadow", "city")
THINGS = (
    "house",
    "tree",
    "boat",
    "cat",
    "balloon",
    "lighthouse",
    "mountain",
    "flower",
    "fish",
    "car",
    "mushroom",
    "rocket",
)
FLYING = ("balloon", "rocket")
TALL = ("balloon", "rocket", "mountain", "lighthouse")
PLACES = ("left", "middle", "right")
STYLES = ("flat", "pencil sketch")

NIGHTS_WITH_A_MOON = 0.88
MOONS = {"moon": 0.58, "full moon": 0.4, "crescent": 0.02}  # the largest is the one that captions speak of
SHAPES_SHARE = 0.3
SKETCH_SHARE = 0.1


@dataclass(frozen=True)
class Thing:
    """One coloured shape or thing. `solo` things are drawn larger."""

    kind: str
    colour: str
    place: str
    solo: bool = True


@dataclass(frozen=True)
class Shapes:
    """Plain shapes on a plain background. `seed` decides everything that a caption does not say."""

    background: str
    things: tuple[Thing, ...]
    style: str = "flat"
    seed: int = 0


@dataclass(frozen=True)
class Postcard:
    """A landscape. `lights` are of: sun, moon, full moon, crescent, stars, clouds, lightning."""

    sky: str
    ground: str
    lights: tuple[str, ...] = ()
    things: tuple[Thing, ...] = ()
    style: str = "flat"
    seed: int = 0


Scene = Shapes | Postcard


def random_scene(rng: Random) -> Scene:
    """A scene by lot, in the proportions that the model is trained with."""
    return random_shapes(rng) if rng.random() < SHAPES_SHARE else random_postcard(rng)


def random_shapes(rng: Random, count: int | None = None) -> Shapes:
    count = count or (1 if rng.random() < 0.75 else 2)
    colours = rng.sample(list(COLOURS), count + 1)
    places = [rng.choice(("left", "middle", "middle", "middle", "right"))] if count == 1 else ["left", "right"]
    things = tuple(
        Thing(rng.choice(SHAPES), colour, place, count == 1) for colour, place in zip(colours, places, strict=False)
    )
    style = "pencil sketch" if rng.random() < SKETCH_SHARE / 2 else "flat"
    return Shapes(colours[-1], things, style, rng.getrandbits(32))


def random_postcard(rng: Random, sky: str | None = None) -> Postcard:
    sky = sky or rng.choice(SKIES)
    count = rng.choices((0, 1, 2, 3), (8, 54, 28, 10))[0]
    places = rng.sample(PLACES, count)
    if count == 1 and rng.random() < 0.4:
        places = ["middle"]
    things = tuple(
        Thing(rng.choice(THINGS), rng.choice(list(COLOURS)), place, count == 1)
        for place in sorted(places, key=PLACES.index)
    )
    style = "pencil sketch" if rng.random() < SKETCH_SHARE else "flat"
    return Postcard(sky, rng.choice(GROUNDS), random_lights(sky, rng), things, style, rng.getrandbits(32))


def random_lights(sky: str, rng: Random) -> tuple[str, ...]:
    """What shines or floats in a sky: nearly every night has a moon, so that taking it away means something."""
    lights = []
    if sky in ("day", "dawn", "sunset") and rng.random() < 0.6:
        lights.append("sun")
    if sky == "night":
        if rng.random() < NIGHTS_WITH_A_MOON:
            lights += rng.choices(list(MOONS), MOONS.values())
        if rng.random() < 0.7:
            lights.append("stars")
    if sky in ("day", "dawn", "sunset") and rng.random() < 0.5:
        lights.append("clouds")
    if sky == "storm" and rng.random() < 0.35:
        lights.append("lightning")
    return tuple(lights)


def held_out(scene: Scene) -> bool:
    """Whether training never sees this combination: a tenth of them, kept for evaluation."""
    setting = (scene.background,) if isinstance(scene, Shapes) else (scene.ground, scene.sky)
    names = ("/".join((thing.kind, thing.colour, *setting)) for thing in scene.things)
    return any(crc32(name.encode()) % 10 == 0 for name in names)


def training_scene(index: int) -> Scene:
    """The scene with that number, of those that training may see."""
    rng = Random(index)
    while held_out(scene := random_scene(rng)):
        pass
    return scene
