"""The language of prompts where T5 reads them: emphasis, AND, editing, long texts, and what is remembered."""

from __future__ import annotations

import pytest
import torch

from modules.core.hooks import Hooks, hook
from modules.engine.engine import Engine
from modules.text.grammar import attention
from tests import flow_models as made
from tests.conftest import folders_in
from tests.toy import write_random

from .conftest import pictures, told

FILES = {"dev": (made.FLUX, ("clip_l", "t5xxl")), "sd3": (made.SD3_MEDIUM, ("clip_l", "clip_g", "t5xxl"))}
LONG = "a red house on a green hill, by day, " * 12  # two chunks for CLIP, one for T5
GIVEN = {"steps": 4, "sampler": "Euler", "cfg_scale": 3.0, "seed": 3}


class Seen:
    """What each step was steered by."""

    @hook
    def sampling_starting(self) -> None:
        self.steps = []

    @hook
    def guiding(self, step: object) -> None:
        toward = [(one.conditioning, one.weight) for one in step.conditionals]
        self.steps.append((toward, step.unconditional))


@pytest.fixture(scope="module")
def painter(tmp_path_factory, toy_checkpoint):
    place = tmp_path_factory.mktemp("language")
    for name, (transformer, encoders) in FILES.items():
        shapes = made.all_in_one(transformer, *encoders)
        write_random(place / f"{name}.safetensors", shapes, seed=3, metadata=made.ARCHITECTURE)
    made.write_tokenizer(place)
    hooks, seen = Hooks(), Seen()
    hooks.register(seen, "seen")
    engine = Engine(folders_in(place / "data", place / "dev.safetensors"), hooks)
    yield engine, seen
    engine.close()


@pytest.fixture(params=FILES)
def paint(request, painter):
    """Paints, and gives what each step was steered by and how a text is read alone."""
    engine, seen = painter

    def paint(**values):
        (picture, *_) = pictures(told(engine, **{**GIVEN, "checkpoint": request.param, **values}))
        weights = engine._model.weights
        return seen.steps, lambda text: weights.read(attention(text)), picture

    return paint


def same(found, expected):
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-5)


def test_and_editing_and_emphasis_are_laid_over_what_all_encoders_read(paint):
    steps, read, _ = paint(prompt="a (red:1.4) house AND [a cat:a dog:1] :0.7", negative_prompt="fog")
    for (toward, away), animal in zip(steps, ("a cat", "a cat", "a dog", "a dog"), strict=True):
        same(toward[0][0], read("a (red:1.4) house"))
        same(toward[1][0], read(animal))
        assert [weight for _, weight in toward] == [1.0, 0.7]
        same(away, read("fog"))


def test_a_long_prompt_is_read_whole_and_may_be_padded(paint):
    steps, read, _ = paint(prompt=LONG, negative_prompt="fog")
    toward, away = steps[0][0][0][0], steps[0][1]
    same(toward, read(LONG))
    same(away, read("fog"))
    (toward, _), *_ = paint(prompt=LONG, negative_prompt="fog", pad_cond_uncond=True)[0][0][0]
    padded = paint(prompt=LONG, negative_prompt="fog", pad_cond_uncond=True)[0][0][1]
    assert padded["text"].shape == toward["text"].shape
    torch.testing.assert_close(padded["text"][:, : away["text"].shape[1]], away["text"], rtol=0, atol=1e-5)


def test_what_was_read_is_remembered_by_each_reader(painter, paint, monkeypatch):
    engine, _ = painter
    paint(prompt="a cat", negative_prompt="")
    weights, asked = engine._model.weights, []
    layers = (weights.text_encoder.small, weights.text_encoder.t5)
    hooks = [
        layer.register_forward_pre_hook(lambda layer, inputs: asked.append(type(layer).__name__)) for layer in layers
    ]
    paint(prompt="(a cat:1.2)", negative_prompt="")
    assert not asked
    paint(prompt="a boat", negative_prompt="")
    assert sorted(asked) == ["CLIPTextModel", "T5EncoderModel"]
    for one in hooks:
        one.remove()
