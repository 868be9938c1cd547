"""The text encoder learns what captions say: the questions, their answers, and a training that gets somewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from tools.starter_model import text_training
from tools.starter_model.presets import CPU_128
from tools.starter_model.text import CaptionTokens
from tools.starter_model.text_training import QUESTIONS, Answers, facts, saved_text_encoder, train_text_encoder
from tools.starter_model.world import Postcard, Shapes, Thing

TINY = replace(CPU_128, text_width=16, text_heads=2, text_layers=1, text_minutes=0.02)


def test_a_scene_answers_every_question() -> None:
    scene = Postcard("night", "sea", ("moon", "stars"), (Thing("boat", "blue", "left"),))
    answers = facts(scene)
    assert set(answers) == set(QUESTIONS)
    assert answers["lights"] == [0, 1, 0, 0, 1, 0, 0]
    assert answers["left"] != [0, 0] and answers["right"] == [0, 0] and answers["size"] == [1]
    plain = facts(Shapes("blue", (Thing("circle", "red", "middle"), Thing("star", "red", "right"))))
    assert plain["sky"] == [0] and plain["lights"] == [0] * 7 and plain["background"] != answers["background"]


def test_only_tokens_after_the_caption_are_asked() -> None:
    torch.manual_seed(0)
    answers, ends = Answers(16), torch.tensor([5, 9])
    wanted = {name: torch.tensor([value] * 2) for name, value in facts(Shapes("red", ())).items()}
    states = torch.randn(2, 40, 16)
    before = answers.loss(states, ends, wanted)
    states[0, :5], states[1, :9] = 100.0, -100.0
    assert torch.equal(answers.loss(states, ends, wanted), before)


def test_training_is_kept_and_goes_on(tmp_path: Path, monkeypatch: object) -> None:
    monkeypatch.setattr(text_training, "SCENES", 50)
    monkeypatch.setattr(text_training, "BATCH", 8)
    tokens = CaptionTokens()
    train_text_encoder(TINY, tokens, tmp_path, "cpu")
    kept = torch.load(tmp_path / "text.pt", weights_only=True)
    assert kept["step"] > 0 and kept["spent"] >= TINY.text_minutes * 60
    train_text_encoder(replace(TINY, text_minutes=0.03), tokens, tmp_path, "cpu")
    assert torch.load(tmp_path / "text.pt", weights_only=True)["step"] > kept["step"]
    text = saved_text_encoder(TINY, tokens, tmp_path, "cpu")
    assert not any(parameter.requires_grad for parameter in text.parameters())
