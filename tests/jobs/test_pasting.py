"""Pasted settings: found by hash, name or alias, and a sentence for everything that is not here."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy
import pytest
from safetensors.numpy import save_file

from modules.catalog.hashing import HashCache
from modules.core.infotext import composed
from modules.core.pictures import Abilities
from modules.jobs.models import Models
from modules.jobs.pasting import PastedSettings, pasted_settings
from tests.jobs.painting import folders_in

ABILITIES = Abilities(("Euler", "Euler a", "DPM++ 2M"), ("Automatic", "Karras", "SGM Uniform"))


@pytest.fixture
def models(tmp_path):
    folders = folders_in(tmp_path, ("castle-v2", "toy"))
    opened = Models(folders)
    yield opened
    opened.close()


def pasted(models: Models, prompt: str = "a cat", nearest: bool = False, **entries: object) -> PastedSettings:
    usual = {"Steps": 20, "Sampler": "Euler", "Seed": 1, "Size": "512x512"}
    text = composed(prompt, "", {**usual, **{key.replace("_", " "): value for key, value in entries.items()}})
    return pasted_settings(text, models, ABILITIES, nearest)


def test_what_is_here_is_taken_without_a_word(models) -> None:
    found = pasted(models, Sampler="euler A", Schedule_type="karras", Model="toy", Version="v1.10.1")
    values = found.values
    assert (values["sampler"], values["schedule"], values["checkpoint"]) == ("Euler a", "Karras", "toy")
    assert (found.problems, found.program) == ([], "A1111 v1.10.1")


@pytest.mark.parametrize(
    ("nearest", "expected", "words"),
    [
        (False, (None, None, None), "the one chosen now stays"),
        (True, ("DPM++ 2M", "SGM Uniform", "castle-v2"), "whose name is the nearest"),
    ],
)
def test_what_is_not_here_is_said_or_replaced_by_what_is_called_most_alike(models, nearest, expected, words) -> None:
    entries = {
        "Sampler": "DPM++ 2M test",
        "Schedule type": "SGM Unifrom",
        "Model": "castle-v1",
        "Model hash": "aabbccddee",
    }
    found = pasted(models, nearest=nearest, **entries)
    assert tuple(found.values.get(name) for name in ("sampler", "schedule", "checkpoint")) == expected
    assert len(found.problems) == 3 and all(words in problem for problem in found.problems)
    assert "castle-v1 [aabbccddee]" in found.problems[0]


def test_the_second_pass_and_the_refiner_are_looked_for_too(models) -> None:
    found = pasted(
        models,
        Hires_upscaler="4x-Nobody", Hires_upscale=2, Hires_checkpoint="gone [0011223344]", Hires_sampler="Sunset",
        Refiner="castle-v2 [ffffffffff]", Refiner_switch_at=0.8,
    )  # fmt: skip
    assert found.values["refiner_checkpoint"] == "castle-v2"
    assert not {"hr_upscaler", "hr_checkpoint_name", "hr_sampler_name"} & set(found.values)
    assert len(found.problems) == 3
    assert pasted(models, Hires_upscaler="Latent (nearest)", Hires_upscale=2).problems == []


def test_a_file_of_the_same_name_but_another_hash_is_a_known_difference(models, tmp_path) -> None:
    HashCache(tmp_path / "data").sha256(tmp_path / "models" / "Stable-diffusion" / "toy.safetensors")
    models.refresh()
    found = pasted(models, Model="toy", Model_hash="0000000000")
    assert (found.values["checkpoint"], found.problems) == ("toy", [])
    assert "toy has the hash" in found.differences[0]


def test_values_that_do_not_fit_say_why(models) -> None:
    assert pasted(models, Steps=0).problems == ["Steps: 0 could not be taken over. Steps is 0, but must be at least 1."]


def test_a_lora_of_another_name_is_found_by_its_hash_and_a_missing_one_said(tmp_path) -> None:
    folders = folders_in(tmp_path, ("toy",))
    place = tmp_path / "models" / "Lora"
    place.mkdir(parents=True)
    digest = "ab" * 32
    save_file({"x": numpy.zeros(1)}, place / "ink-v2.safetensors", metadata={"sshs_model_hash": digest})
    models = Models(dataclasses.replace(folders, loras=(place,)))
    found = pasted(models, "a <lora:ink:0.5> <lora:gone:1>", Lora_hashes=f"ink: {digest[:12]}, gone: 112233445566")
    other = pasted(models, "a <lora:ink-v2:1>", Lora_hashes="ink-v2: 0123456789ab")
    models.close()
    assert other.differences == [f"The LoRA ink-v2 has the hash {digest[:12]} here, not 0123456789ab."]
    assert found.values["prompt"] == "a <lora:ink-v2:0.5> <lora:gone:1>"
    assert found.problems == ["The LoRA gone [112233445566] is not here: it is left out."]


def test_words_that_this_model_was_not_taught_are_said(tmp_path) -> None:
    folders = folders_in(tmp_path, ("toy",))
    place = tmp_path / "embeddings"
    place.mkdir()
    (place / "Moody.pt").write_bytes(b"moody")
    models = Models(dataclasses.replace(folders, embeddings=(place,)))
    digest = hashlib.sha256(b"moody").hexdigest()[:12]
    same = pasted(models, "moody, gone", TI_hashes=f"moody: {digest}, gone: 112233445566")
    other = pasted(models, "moody", TI_hashes="moody: 112233445566")
    models.close()
    assert same.problems == ["The embedding gone [112233445566] is not here: its name is only a word."]
    assert same.differences == []
    assert other.differences == [f"The embedding moody has the hash {digest} here, not 112233445566."]
