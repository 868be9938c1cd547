"""LoRAs in prompts: found by any of their names, merged, noted, and gone with the prompt that named them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from modules.core.events import Noticed
from modules.core.hooks import Hooks, hook
from modules.core.pictures import Picture
from modules.engine.engine import Engine
from modules.weights.load import load_checkpoint
from tests.conftest import folders_in
from tests.engine.conftest import pictures, told
from tests.lora import write_lora
from tests.toy import write_toy_checkpoint

Make = Callable[..., list[Picture]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loras")


@pytest.fixture(scope="module")
def artist(place: Path, toy_checkpoint: Path, shared_hooks: Hooks) -> Iterator[Engine]:
    """An engine that knows three LoRAs: "ink", "style/wash" with the alias "Water Colour", and "text"."""
    folders = folders_in(place, toy_checkpoint)
    weights = load_checkpoint(toy_checkpoint)
    (lora,) = folders.loras
    write_lora(lora / "ink.safetensors", weights, unet="attn2", text="q_proj")
    wash = write_lora(lora / "style" / "wash.safetensors", weights, unet="conv", text="none", seed=50)
    save_file(load_file(wash), wash, {"ss_output_name": "Water Colour"})
    write_lora(lora / "text.safetensors", weights, unet="none", text="fc1", seed=90)
    engine = Engine(folders, shared_hooks)
    yield engine
    engine.close()


def pixels(engine: Engine, prompt: str, **changes: Any) -> np.ndarray:
    return pictures(told(engine, prompt=prompt, **changes))[0].pixels


def hash_of(path: Path) -> str:
    """A1111's hash of a LoRA: of the file without its header."""
    content = path.read_bytes()
    return hashlib.sha256(content[8 + int.from_bytes(content[:8], "little") :]).hexdigest()[:12]


def test_a_lora_changes_the_picture_and_leaves_with_its_tag(artist: Engine) -> None:
    plain = pixels(artist, "a house")
    drawn = pixels(artist, "a house <lora:ink:1>")
    assert not np.array_equal(drawn, plain)
    assert np.array_equal(pixels(artist, "a house"), plain)
    assert np.array_equal(pixels(artist, "a house <lora:ink:1>"), drawn)


@pytest.mark.parametrize("name", ["style/wash", "WASH", "Water Colour", "water colour"])
def test_a_lora_is_known_by_file_and_by_alias(artist: Engine, name: str) -> None:
    assert np.array_equal(pixels(artist, f"a house <lora:{name}:1>"), pixels(artist, "a house <lora:wash:1>"))


def test_a_lora_is_known_by_its_hash(artist: Engine, place: Path) -> None:
    digest = hash_of(place / "models" / "Lora" / "style" / "wash.safetensors")
    wash = pixels(artist, "a house <lora:wash:1>")  # after that its hash is known
    assert np.array_equal(pixels(artist, f"a house <lora:{digest}:1>"), wash)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ink", "ink:1"),
        ("ink:0.6", "ink:0.6:0.6"),
        ("ink:0.6:0.2", "ink:te=0.6:unet=0.2"),
        ("ink:0.6", "ink:1:1:te=0.6:unet=0.6"),
        ("ink:te=0.5", "ink:0.5:0.5"),
        ("ink:1:1:1", "ink:dyn=1"),
    ],
)
def test_numbers_and_names_follow_a1111s_rules(artist: Engine, one: str, other: str) -> None:
    assert np.array_equal(pixels(artist, f"a house <lora:{one}>"), pixels(artist, f"a house <lyco:{other}>"))


def test_text_encoder_and_unet_have_strengths_of_their_own(artist: Engine) -> None:
    kinds = [pixels(artist, f"a house{tag}") for tag in ("", "<lora:ink:1:0>", "<lora:ink:0:1>", "<lora:ink:1:1>")]
    for number, one in enumerate(kinds):
        assert all(not np.array_equal(one, other) for other in kinds[:number])


def test_what_was_encoded_with_a_lora_is_not_used_without_it(artist: Engine) -> None:
    plain = pixels(artist, "a castle")
    assert not np.array_equal(pixels(artist, "a castle<lora:text:1>"), plain)
    assert np.array_equal(pixels(artist, "a castle"), plain)


def test_hashes_stand_in_the_pictures_text_in_the_order_of_the_tags(artist: Engine, place: Path) -> None:
    folder = place / "models" / "Lora"
    (picture,) = pictures(told(artist, prompt="a <lora:Water Colour:1> <lora:ink:0.5> house"))
    wash, ink = hash_of(folder / "style" / "wash.safetensors"), hash_of(folder / "ink.safetensors")
    assert f'Lora hashes: "Water Colour: {wash}, ink: {ink}"' in picture.infotext
    assert picture.infotext.startswith("a <lora:Water Colour:1> <lora:ink:0.5> house")
    (picture,) = pictures(told(artist, prompt="a house"))
    assert "Lora hashes" not in picture.infotext


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("<lora:nobody:1>", "no LoRA called 'nobody'"),
        ("<lora:ink:much>", "'much' is not a number"),
        ("<lora:ink:1:1:0>", "not a whole number above 0"),
        ("<lora:broken:1>", "broken.safetensors"),
        ("<hypernet:x:1>", "no kind of network called 'hypernet'"),
        ("<lora::1>", "no LoRA called ''"),
    ],
)
def test_what_cannot_be_used_is_said_and_the_picture_is_made(artist: Engine, place: Path, tag: str, said: str) -> None:
    (place / "models" / "Lora" / "broken.safetensors").write_bytes(b"<html>")
    events = told(artist, prompt=f"a house {tag}", batch_count=2)
    notes = [event.message for event in events if isinstance(event, Noticed)]
    assert len(notes) == 1
    assert said in notes[0]
    assert tag in notes[0]
    made = pictures(events)
    assert len(made) == 2
    assert "Lora hashes" not in made[0].infotext
    assert np.array_equal(made[0].pixels, pixels(artist, "a house "))


class Prompts:
    """A listener that gives each picture of a batch a prompt of its own."""

    @hook
    def batch_starting(self, batch: Any) -> None:
        batch.prompts[:] = [f"a house <lora:{name}:1>" for name in ("ink", "wash")]


def test_the_first_prompt_of_a_batch_decides(artist: Engine, hooks: Hooks) -> None:
    hooks.register(Prompts(), "listener")
    both = pictures(told(artist, batch_size=2))
    assert all("ink: " in one.infotext and "wash: " not in one.infotext for one in both)
    assert both[1].infotext.startswith("a house <lora:wash:1>")


def test_a_checkpoint_that_went_with_a_lora_in_it_comes_back_to_the_bit(
    artist: Engine, toy_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(toy_checkpoint, tmp_path / "toy.safetensors")
    write_toy_checkpoint(tmp_path / "other.safetensors", seed=3)
    monkeypatch.setattr(artist, "_folders", replace(artist._folders, checkpoints=(tmp_path,)))
    plain, inked = (pixels(artist, prompt, checkpoint="toy") for prompt in ("a house", "a house <lora:ink>"))
    for memory in (0, 1 << 40):  # let go of, and kept
        monkeypatch.setattr(artist._loader, "_budget", lambda memory=memory: memory)
        pixels(artist, "a house", checkpoint="other")
        assert np.array_equal(pixels(artist, "a house", checkpoint="toy"), plain)
        assert np.array_equal(pixels(artist, "a house <lora:ink>", checkpoint="toy"), inked)
