"""Textual inversion in prompts: used by file name, noted, and said when it cannot be used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modules.core.events import Noticed
from modules.core.hooks import Hooks
from modules.engine.engine import Engine
from modules.text.prompt import count
from tests.conftest import folders_in
from tests.engine.conftest import pictures, told


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("words")


@pytest.fixture(scope="module")
def reader(place: Path, toy_checkpoint: Path, shared_hooks: Hooks) -> Iterator[Engine]:
    """An engine that knows the words "glow" and "blurry-mess"; and "wide", which no toy can use."""
    folders = folders_in(place, toy_checkpoint)
    (words,) = folders.embeddings
    generator = torch.Generator().manual_seed(3)
    save_file({"emb_params": torch.randn(2, 32, generator=generator)}, words / "glow.safetensors")
    (words / "more").mkdir()
    save_file({"emb_params": torch.randn(1, 32, generator=generator)}, words / "more" / "blurry-mess.safetensors")
    save_file({"emb_params": torch.randn(1, 768)}, words / "wide.safetensors")
    engine = Engine(folders, shared_hooks)
    yield engine
    engine.close()


def made(reader: Engine, **changes: Any) -> Any:
    return pictures(told(reader, **changes))[0]


def test_words_are_known_as_soon_as_a_checkpoint_is_open(reader: Engine) -> None:
    reader.load("", "Automatic", lambda event: None)
    assert [(word.name, word.vectors) for word in reader.words().in_text("a glow, wide")] == [("glow", 2)]
    assert count("a glow house", vocabulary=reader.words()) == (4, 75)
    assert count("a glow house") == (3, 75)


def test_a_word_changes_the_picture_in_any_case(reader: Engine) -> None:
    with_word = made(reader, prompt="a glow house").pixels
    assert not np.array_equal(with_word, made(reader, prompt="a house").pixels)
    assert np.array_equal(with_word, made(reader, prompt="a GLOW house").pixels)


def test_hashes_stand_in_the_text_those_of_the_prompt_first(reader: Engine, place: Path) -> None:
    folder = place / "models" / "embeddings"
    glow, mess = (
        hashlib.sha256((folder / name).read_bytes()).hexdigest()[:12]
        for name in ("glow.safetensors", "more/blurry-mess.safetensors")
    )
    both = made(reader, prompt="(glow:1.2), a glow", negative_prompt="blurry-mess, glow")
    assert f'TI hashes: "glow: {glow}, blurry-mess: {mess}"' in both.infotext
    assert "TI hashes" not in made(reader, prompt="a house").infotext


def test_a_word_that_does_not_fit_is_said_and_read_as_text(reader: Engine) -> None:
    events = told(reader, prompt="a wide house", batch_count=2)
    (note,) = [event.message for event in events if isinstance(event, Noticed)]
    assert "wide" in note
    assert "768" in note
    assert "TI hashes" not in pictures(events)[0].infotext
    assert not any(isinstance(event, Noticed) for event in told(reader, prompt="a house"))
