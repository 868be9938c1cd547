"""Puts a scene into words, differently each time: whole sentences, or phrases between commas, with parts left out."""

from __future__ import annotations

from random import Random

from .world import Postcard, Scene, Shapes, Thing

EMPTY_SHARE = 0.1
SPARSE_SHARE = 0.1
FILLER_SHARE = 0.06
COMMA_SHARE = 0.45

SKY_PHRASES: dict[str, tuple[str, ...]] = {
    "day": ("by day", "under a blue sky", "in the daytime", "at day"),
    "night": ("at night", "under a night sky", "at night", "under a dark night sky"),
    "dawn": ("at dawn", "under a dawn sky", "at dawn", "at sunrise"),
    "sunset": ("at sunset", "under a sunset sky", "at sunset", "in the evening"),
    "storm": ("in a storm", "under a stormy sky", "in the rain", "in a storm"),
}
SKY_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("day", "blue sky", "daytime", "day sky"),
    "night": ("night", "night sky", "dark night", "at night"),
    "dawn": ("dawn", "dawn sky", "sunrise", "at dawn"),
    "sunset": ("sunset", "sunset sky", "evening", "at sunset"),
    "storm": ("storm", "stormy sky", "rain", "stormy"),
}
GROUND_PHRASES: dict[str, tuple[str, ...]] = {
    "hills": ("on the hills", "in the hills", "on green hills", "with hills"),
    "desert": ("in the desert", "in a desert", "on desert dunes", "with a desert"),
    "sea": ("on the sea", "by the sea", "at sea", "with the sea"),
    "snow": ("in the snow", "on a snowy field", "on snow", "with snow"),
    "meadow": ("in a meadow", "on a meadow", "in a flower meadow", "with a meadow"),
    "city": ("in the city", "in front of a city", "in a city", "with a city skyline"),
}
GROUND_WORDS: dict[str, tuple[str, ...]] = {
    "hills": ("hills", "green hills"),
    "desert": ("desert", "dunes"),
    "sea": ("sea", "the sea", "ocean"),
    "snow": ("snow", "snowy field"),
    "meadow": ("meadow", "flower meadow"),
    "city": ("city", "city skyline", "buildings"),
}
LIGHT_WORDS: dict[str, tuple[str, ...]] = {
    "sun": ("sun", "the sun", "a sun"),
    "moon": ("moon", "the moon", "a moon"),
    "full moon": ("moon", "the moon", "a moon", "full moon"),
    "crescent": ("crescent moon", "a crescent moon", "moon"),
    "stars": ("stars", "stars", "starry sky"),
    "clouds": ("clouds", "clouds", "cloudy"),
    "lightning": ("lightning", "lightning", "a lightning bolt"),
}
THING_WORDS: dict[str, tuple[str, ...]] = {
    "balloon": ("balloon", "balloon", "hot air balloon"),
    "boat": ("boat", "boat", "sailing boat"),
    "house": ("house", "house", "cottage"),
    "cat": ("cat", "cat", "kitten"),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {"gray": ("gray", "grey")}
STYLE_WORDS: dict[str, tuple[str, ...]] = {
    "flat": ("flat", "flat style", "flat postcard", "flat colors"),
    "pencil sketch": ("pencil sketch", "pencil sketch", "pencil drawing", "sketch"),
}
OPENINGS = ("", "", "", "a picture of ", "a postcard of ", "an image of ", "a drawing of ")
FILLER = (
    "masterpiece",
    "best quality",
    "highly detailed",
    "beautiful",
    "high quality",
    "detailed",
    "cute",
    "8k",
    "award winning",
    "trending",
    "sharp",
    "lovely",
)


def caption(scene: Scene, rng: Random) -> str:
    """One of the many captions of a scene; every tenth is empty, some name a single thing."""
    roll = rng.random()
    if roll < EMPTY_SHARE:
        return ""
    if roll < EMPTY_SHARE + SPARSE_SHARE:
        text = sparse_caption(scene, rng)
    elif rng.random() < COMMA_SHARE:
        text = comma_caption(scene, rng)
    else:
        text = sentence_caption(scene, rng)
    if rng.random() < FILLER_SHARE:
        text = with_filler(text, rng)
    return text


def thing_words(thing: Thing, rng: Random, article: bool, placed: bool) -> str:
    colour = rng.choice(COLOUR_WORDS.get(thing.colour, (thing.colour,)))
    words = f"{colour} {rng.choice(THING_WORDS.get(thing.kind, (thing.kind,)))}"
    if article:
        words = f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
    if not placed:
        return words
    return f"{words} {'in the middle' if thing.place == 'middle' else 'on the ' + thing.place}"


def joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def says_places(scene: Scene, rng: Random) -> bool:
    """Lone things in the middle rarely say so; several things mostly tell who is where."""
    return rng.random() < (0.3 if all(t.place == "middle" for t in scene.things) else 0.65)


def sentence_caption(scene: Scene, rng: Random) -> str:
    things = list(scene.things)
    placed = says_places(scene, rng)
    if rng.random() < 0.25:
        rng.shuffle(things)
    subject = joined([thing_words(t, rng, True, placed) for t in things]) if things else ""
    if isinstance(scene, Shapes):
        background = rng.choice(COLOUR_WORDS.get(scene.background, (scene.background,)))
        words = f"{subject} on {'an' if background[0] in 'aeiou' else 'a'} {background} background"
    else:
        words = postcard_sentence(scene, subject, rng)
    if scene.style != "flat":
        style = rng.choice(STYLE_WORDS[scene.style])
        return f"a {style} of {words}" if rng.random() < 0.6 else f"{words}, {style}"
    if rng.random() < 0.15:
        words = f"{words}, {rng.choice(STYLE_WORDS['flat'])}"
    return rng.choice(OPENINGS) + words


def postcard_sentence(scene: Postcard, subject: str, rng: Random) -> str:
    ground, sky = rng.choice(GROUND_PHRASES[scene.ground]), rng.choice(SKY_PHRASES[scene.sky])
    if not subject:
        subject = rng.choice(GROUND_WORDS[scene.ground])
        ground = ""
    elif rng.random() < 0.1:
        ground = ""
    if rng.random() < 0.1:
        sky = ""
    places = [p for p in (ground, sky) if p]
    if rng.random() < 0.2:
        places.reverse()
    lights = [rng.choice(LIGHT_WORDS[name]) for name in scene.lights if rng.random() < 0.5 * told(name)]
    words = " ".join([subject, *places])
    if lights:
        words += f"{rng.choice((' with ', ', with ', ' and '))}{joined(lights)}"
    return words


def told(light: str) -> float:
    """How often a light is worth a word, against the others: a night's moon goes without saying, unless it is large."""
    return {"moon": 0.15, "full moon": 1.6, "crescent": 0.6}.get(light, 1.0)


def comma_caption(scene: Scene, rng: Random) -> str:
    article, placed = rng.random() < 0.3, says_places(scene, rng)
    parts = [thing_words(t, rng, article, placed) for t in scene.things]
    if isinstance(scene, Shapes):
        parts.append(f"{rng.choice(COLOUR_WORDS.get(scene.background, (scene.background,)))} background")
    else:
        if rng.random() < 0.9:
            parts.append(rng.choice(GROUND_WORDS[scene.ground]))
        if rng.random() < 0.9:
            parts.append(rng.choice(SKY_WORDS[scene.sky]))
        parts += [rng.choice(LIGHT_WORDS[name]) for name in scene.lights if rng.random() < 0.6 * told(name)]
    if rng.random() < 0.25:
        rng.shuffle(parts)
    if scene.style != "flat" or rng.random() < 0.25:
        style = rng.choice(STYLE_WORDS[scene.style])
        parts.insert(0 if rng.random() < 0.3 else len(parts), style)
    return ", ".join(parts)


def sparse_caption(scene: Scene, rng: Random) -> str:
    """A single fact about the scene: what a negative prompt says, for one."""
    facts = [thing_words(t, rng, rng.random() < 0.5, rng.random() < 0.3) for t in scene.things]
    facts += [rng.choice(THING_WORDS.get(t.kind, (t.kind,))) for t in scene.things]
    if isinstance(scene, Shapes):
        facts.append(f"{scene.background} background")
    else:
        facts += [rng.choice(GROUND_WORDS[scene.ground]), rng.choice(SKY_WORDS[scene.sky])]
        lights = [rng.choice(LIGHT_WORDS[name]) for name in scene.lights if rng.random() < told(name)]
        facts += lights
        if lights and rng.random() < 0.5:
            return rng.choice(lights)
    if scene.style != "flat" or rng.random() < 0.05:
        facts.append(rng.choice(STYLE_WORDS[scene.style]))
    return rng.choice(facts)


def with_filler(text: str, rng: Random) -> str:
    """Adds words that say nothing about the picture, so that such words do no harm."""
    words = [rng.choice(FILLER) for _ in range(rng.randint(1, 3))]
    parts = [text, *words] if rng.random() < 0.6 else [*words, text]
    return ", ".join(parts)
