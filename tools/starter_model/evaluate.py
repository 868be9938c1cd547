"""Scores the exported model: pictures for captions that training never saw are read back and compared.

`evaluate` asks for pictures through one function, so any engine can be scored that offers
`generate(prompts, negative_prompt, cfg, seed) -> list of PIL images`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from PIL import Image

from .captions import GROUND_PHRASES, SKY_PHRASES, joined, thing_words
from .reading import has_moon, read_shapes, read_sky, read_thing, tally
from .sampling import contact_sheet
from .world import GROUNDS, Postcard, Scene, Shapes, held_out, random_postcard, random_shapes

Generate = Callable[[Sequence[str], str, float, int], list[Image.Image]]

SEED = 1000
NIGHT_THINGS = ("a red house", "a green tree", "a blue boat", "a gray cat", "an orange car")


@dataclass(frozen=True)
class Score:
    """One line of the table: `share` of `count` answers were right; `bar` is what was asked for."""

    name: str
    share: float
    count: int
    bar: str = ""

    @property
    def reached(self) -> bool | None:
        if not self.bar:
            return None
        wanted = float(self.bar[1:].strip(" %")) / 100
        return self.share >= wanted if self.bar[0] == "≥" else self.share < wanted


def unseen(draw_lot: Callable[[Random], Scene], count: int, seed: int) -> list[Scene]:
    """count flat scenes with things, whose combination of thing, colour and setting training never saw."""
    rng, scenes = Random(seed), []
    while len(scenes) < count:
        scene = draw_lot(rng)
        if scene.things and held_out(scene):
            scenes.append(replace(scene, style="flat"))
    return scenes


def asked(scene: Scene, rng: Random) -> str:
    """A caption that says everything that is scored."""
    several = len(scene.things) > 1
    things = [thing_words(t, rng, True, several or t.place != "middle") for t in scene.things]
    if isinstance(scene, Shapes):
        article = "an" if scene.background[0] in "aeiou" else "a"
        return f"{joined(things)} on {article} {scene.background} background"
    return f"{joined(things)} {rng.choice(GROUND_PHRASES[scene.ground])} {rng.choice(SKY_PHRASES[scene.sky])}"


def evaluate(generate: Generate, cfg: float, count: int = 100) -> list[Score]:
    """The whole table; `count` captions of each kind, all with fixed seeds."""
    shapes, postcards = unseen(random_shapes, count, 1), unseen(random_postcard, count, 2)
    scores = score_shapes(generate, shapes, cfg) + score_postcards(generate, postcards, cfg)
    scores += score_moon(generate, cfg, count // 2)
    scores += score_guidance(generate, shapes[: count // 2], postcards[: count // 2], cfg)
    return scores


def pictures_of(generate: Generate, scenes: Sequence[Scene], cfg: float) -> list[Image.Image]:
    rng = Random(3)
    return generate([asked(scene, rng) for scene in scenes], "", cfg, SEED)


def score_shapes(generate: Generate, scenes: Sequence[Shapes], cfg: float) -> list[Score]:
    backgrounds, colours, both, kinds = [], [], [], []
    for scene, picture in zip(scenes, pictures_of(generate, scenes, cfg), strict=True):
        background, things = read_shapes(picture, scene)
        right = [colour == thing.colour for (_, colour), thing in zip(things, scene.things, strict=True)]
        backgrounds.append(background == scene.background)
        colours += right
        both.append(backgrounds[-1] and all(right))
        kinds += [kind == thing.kind for (kind, _), thing in zip(things, scene.things, strict=True)]
    return [
        Score("shapes: all colours", tally(both), len(both), "≥ 90 %"),
        Score("shapes: background colour", tally(backgrounds), len(backgrounds)),
        Score("shapes: shape's colour", tally(colours), len(colours)),
        Score("shapes: shape", tally(kinds), len(kinds), "≥ 85 %"),
    ]


def score_postcards(generate: Generate, scenes: Sequence[Postcard], cfg: float) -> list[Score]:
    skies, colours, places = [], [], []
    for scene, picture in zip(scenes, pictures_of(generate, scenes, cfg), strict=True):
        skies.append(read_sky(picture) == scene.sky)
        for thing in scene.things:
            colour, place = read_thing(picture, thing)
            colours.append(colour == thing.colour)
            if thing.kind != "mountain":  # too wide to be anywhere in particular
                places.append(place == thing.place)
    return [
        Score("postcards: sky", tally(skies), len(skies), "≥ 85 %"),
        Score("postcards: thing's colour", tally(colours), len(colours), "≥ 80 %"),
        Score("postcards: thing's place", tally(places), len(places)),
    ]


def score_moon(generate: Generate, cfg: float, count: int) -> list[Score]:
    """Moons in night scenes whose prompt does not speak of one, without and with a negative prompt."""
    rng = Random(4)
    prompts = [
        " ".join((rng.choice(NIGHT_THINGS), rng.choice(GROUND_PHRASES[rng.choice(GROUNDS)]), "at night"))
        for _ in range(count)
    ]
    plain = [has_moon(picture) for picture in generate(prompts, "", cfg, SEED)]
    without = [has_moon(picture) for picture in generate(prompts, "moon", cfg, SEED)]
    return [
        Score("nights: moon", tally(plain), count, "≥ 80 %"),
        Score('nights: moon, with "moon" in the negative prompt', tally(without), count, "< 20 %"),
    ]


def score_guidance(
    generate: Generate, shapes: Sequence[Shapes], postcards: Sequence[Postcard], cfg: float
) -> list[Score]:
    """The mean of the four scores above at CFG 1 and at the given CFG."""
    scores = []
    for scale in (1.0, cfg):
        lines = score_shapes(generate, shapes, scale) + score_postcards(generate, postcards, scale)
        barred = [line.share for line in lines if line.bar]
        scores.append(Score(f"mean of the four at CFG {scale:g}", sum(barred) / len(barred), len(shapes)))
    return scores


def table(scores: Sequence[Score]) -> str:
    """The scores in Markdown."""
    lines = ["| what | right | of | asked | reached |", "|---|---|---|---|---|"]
    for score in scores:
        reached = {None: "", True: "yes", False: "no"}[score.reached]
        lines.append(f"| {score.name} | {100 * score.share:.0f} % | {score.count} | {score.bar} | {reached} |")
    return "\n".join(lines)


EXAMPLES = (
    "a red house on the hills at sunset",
    "a blue boat on the sea at night with the moon and stars",
    "an orange cat in a meadow by day, sun",
    "a purple balloon over the snow at dawn",
    "a white lighthouse by the sea in a storm",
    "a green tree on the left and a yellow car on the right in the desert by day",
    "a pink flower, meadow, sunrise, clouds",
    "a teal rocket in front of a city at night, stars",
    "a gray mountain on snow at sunset, sun",
    "a yellow star on a purple background",
    "a red heart on a white background",
    "pencil sketch of a brown house on the hills by day",
)


def example_sheet(generate: Generate, cfg: float) -> Image.Image:
    """Pictures for a tour of the world, in rows of six."""
    return contact_sheet(generate(EXAMPLES, "", cfg, SEED), columns=6)
