"""Files beside a model: A1111's are read and written, and nothing that others wrote in them is lost."""

import json

import pytest

from modules.catalog.beside import (
    companions,
    preview_of,
    read_card,
    read_civitai,
    trained_words,
    write_card,
    write_trained_words,
)
from modules.catalog.scan import scan_vaes, vae_for
from modules.core.errors import UserError
from tests.toy import vae_shapes, write_random


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "x.safetensors"
    path.touch()
    return path


def test_a1111s_card_is_read_by_its_names(model):
    model.with_name("x.json").write_text(
        json.dumps({"activation text": "cat", "preferred weight": 0.8, "negative text": "dog", "vae": "v.pt", "id": 3})
    )
    card = read_card(model)
    assert (card.trigger_words, card.preferred_weight, card.negative_text, card.vae) == ("cat", 0.8, "dog", "v.pt")


def test_writing_keeps_every_foreign_key_and_its_order(model):
    path = model.with_name("x.json")
    path.write_text(
        json.dumps({"sha": "ü", "notes": "old", "easel": {"family": "sd1", "later": [1]}, "z": {"deep": 1}})
    )
    write_card(model, {"notes": "new", "easel": {"variant": "inpainting"}})
    content = json.loads(path.read_text(encoding="utf-8"))
    assert list(content) == ["sha", "notes", "easel", "z"]
    assert content["easel"] == {"family": "sd1", "later": [1], "variant": "inpainting"}
    assert (content["sha"], content["notes"], content["z"]) == ("ü", "new", {"deep": 1})
    assert [file.name for file in model.parent.iterdir() if file.suffix == ".tmp"] == []


def test_a_card_that_cannot_be_read_is_never_written_over(model):
    path = model.with_name("x.json")
    path.write_text("{ not json")
    with pytest.raises(UserError, match=r"x\.json is not readable JSON"):
        write_card(model, {"notes": "new"})
    assert path.read_text() == "{ not json"
    assert "x.json" in read_card(model).problem


def test_what_is_odd_in_a_card_is_left_out_and_the_rest_is_read(model):
    model.with_name("x.json").write_text(json.dumps({"notes": "kept", "preferred weight": "much", "vae": None}))
    card = read_card(model)
    assert (card.notes, card.preferred_weight, card.vae) == ("kept", 0.0, "")
    assert "preferred weight, vae" in card.problem


@pytest.mark.parametrize("changes", [{"notes": 3}, {"preferred weight": float("nan")}, {"easel": {"family": "sd9"}}])
def test_what_would_be_no_card_is_refused_and_nothing_is_written(model, changes):
    with pytest.raises(UserError):
        write_card(model, changes)
    assert not model.with_name("x.json").exists()


def test_civitais_page_is_read_and_its_trigger_words_are_kept_in_step(model):
    assert read_civitai(model) == {}
    write_trained_words(model, ["a"])
    assert not model.with_name("x.civitai.info").exists()
    model.with_name("x.civitai.info").write_text(json.dumps({"id": 7, "trainedWords": ["a, b", "c"], "new": {"k": 1}}))
    assert trained_words(read_civitai(model)) == ["a, b", "c"]
    write_trained_words(model, ["d"])
    assert read_civitai(model) == {"id": 7, "trainedWords": ["d"], "new": {"k": 1}}


def test_the_preview_is_the_first_that_a1111_would_show(model):
    assert preview_of(model) is None
    for name in ("x.webp", "x.png", "x.preview.png"):
        model.with_name(name).touch()
        assert preview_of(model).name == name


def test_companions_are_the_files_that_go_where_the_model_goes(model):
    for name in ("x.json", "x.civitai.info", "x.preview.png", "x.yaml", "xy.json", "x.safetensors.bak"):
        model.with_name(name).touch()
    assert {path.name for path in companions(model)} == {"x.json", "x.civitai.info", "x.preview.png", "x.yaml"}


def test_automatic_picks_the_vae_that_the_user_prefers(tmp_path):
    for name in ("x.vae.safetensors", "other.safetensors"):
        write_random(tmp_path / "vae" / name, vae_shapes(widths=(8, 8), blocks=1))
    vaes = scan_vaes([tmp_path / "vae"])
    checkpoint = tmp_path / "x.safetensors"
    assert vae_for(checkpoint, vaes).path.name == "x.vae.safetensors"
    write_card(checkpoint, {"vae": "other.safetensors"})
    assert vae_for(checkpoint, vaes).path.name == "other.safetensors"
    write_card(checkpoint, {"vae": "gone.safetensors"})
    assert vae_for(checkpoint, vaes).path.name == "x.vae.safetensors"
