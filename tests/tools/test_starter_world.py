"""The starter model's world: what is drawn can be said in words and read back from the picture."""

from random import Random

import numpy as np
import pytest

from tools.starter_model.captions import COLOUR_WORDS, caption
from tools.starter_model.drawing import MOON_SIZES, draw
from tools.starter_model.evaluate import asked, unseen
from tools.starter_model.reading import has_moon, read_shapes, read_sky, read_thing, tally
from tools.starter_model.world import (
    SKIES,
    Postcard,
    Shapes,
    Thing,
    held_out,
    random_postcard,
    random_scene,
    random_shapes,
    training_scene,
)


@pytest.mark.parametrize("size", [(128, 128), (192, 128), (96, 128), (256, 256)])
def test_a_scene_is_drawn_alike_every_time_and_at_any_size(size: tuple[int, int]) -> None:
    scene = Postcard("sunset", "sea", ("sun", "clouds"), (Thing("boat", "red", "left"),), seed=7)
    first, second = draw(scene, *size), draw(scene, *size)
    assert first.size == size
    assert first.tobytes() == second.tobytes()


def test_the_reader_names_colours_and_shapes_of_drawn_shapes() -> None:
    right = []
    for scene in unseen(random_shapes, 60, seed=1):
        background, things = read_shapes(draw(scene, 128, 128), scene)
        right.append(background == scene.background)
        right += [read == (thing.kind, thing.colour) for read, thing in zip(things, scene.things, strict=True)]
    assert tally(right) > 0.97


def test_the_reader_names_the_sky_of_drawn_postcards() -> None:
    rng = Random(2)
    scenes = [random_postcard(rng, sky) for sky in SKIES * 8]
    flat = [scene for scene in scenes if scene.style == "flat"]
    assert tally([read_sky(draw(scene, 128, 128)) == scene.sky for scene in flat]) > 0.97


def test_the_reader_sees_the_moon_when_there_is_one() -> None:
    things = (Thing("house", "red", "left"),)
    grounds = ("hills", "sea", "city", "snow", "desert", "meadow")
    with_moon = [Postcard("night", g, (moon, "stars"), things, seed=3) for g in grounds for moon in MOON_SIZES]
    without = [Postcard("night", g, ("stars",), things, seed=3) for g in grounds]
    assert all(has_moon(draw(scene, 128, 128)) for scene in with_moon)
    assert not any(has_moon(draw(scene, 128, 128)) for scene in without)


def test_the_reader_names_the_colour_of_lone_things() -> None:
    scenes = [s for s in unseen(random_postcard, 60, seed=4) if len(s.things) == 1][:20]
    read = [read_thing(draw(scene, 128, 128), scene.things[0])[0] == scene.things[0].colour for scene in scenes]
    assert tally(read) >= 0.95


def test_the_reader_is_not_fooled_by_another_colour() -> None:
    drawn = Shapes("blue", (Thing("circle", "red", "middle"),), seed=1)
    background, [(shape, colour)] = read_shapes(draw(drawn, 128, 128), drawn)
    assert (background, shape, colour) == ("blue", "circle", "red")
    assert read_sky(draw(Postcard("storm", "hills", seed=1), 128, 128)) != "night"


def test_training_never_sees_what_is_held_out() -> None:
    assert not any(held_out(training_scene(index)) for index in range(300))
    assert all(held_out(scene) for scene in unseen(random_shapes, 20, seed=5))


def test_captions_vary_and_name_only_what_is_there() -> None:
    rng = Random(6)
    scene = Shapes("blue", (Thing("star", "red", "middle"),), seed=1)
    captions = {caption(scene, rng) for _ in range(200)}
    assert len(captions) > 40
    assert "" in captions
    assert not any("green" in text or "circle" in text for text in captions)


def test_a_scored_caption_says_every_colour() -> None:
    rng = Random(8)
    for scene in unseen(random_postcard, 40, seed=9):
        text = asked(scene, rng)
        for thing in scene.things:
            assert any(word in text for word in COLOUR_WORDS.get(thing.colour, (thing.colour,)))


def test_a_pencil_sketch_is_mostly_paper() -> None:
    rng = Random(10)
    scene = random_scene(rng)
    sketch = draw(Postcard("day", "hills", style="pencil sketch", seed=scene.seed), 128, 128)
    assert np.asarray(sketch).mean() > 170
