"""Folders become lists of models, good and bad; names that people use find the model they mean."""

import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from modules.catalog.hashing import HashCache
from modules.catalog.networks import embedding_files
from modules.catalog.scan import examine, find, scan, scan_vaes, vae_for, with_hash
from modules.core.errors import UserError
from tests.toy import toy_shapes, under, vae_shapes, write_random, write_toy_checkpoint


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return write_toy_checkpoint(tmp_path_factory.mktemp("toy") / "toy.safetensors")


@pytest.fixture
def folder(tmp_path, toy):
    """Three checkpoints, one of them in a subfolder."""
    for name in ("Alpha.safetensors", "beta.safetensors", "anime/toon.safetensors"):
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(toy, path)
    return tmp_path / "models"


def test_checkpoints_are_found_in_subfolders_and_sorted(folder):
    models = scan([folder])
    assert [model.title for model in models] == ["Alpha.safetensors", "anime/toon.safetensors", "beta.safetensors"]
    assert [model.name for model in models] == ["Alpha", "toon", "beta"]
    assert all((model.kind, model.family_id, model.problem) == ("checkpoint", "sd1", "") for model in models)
    assert all(model.size > 1_000_000 for model in models)


def test_what_the_file_declares_is_known_without_torch(folder):
    model = scan([folder])[0]
    assert model.native_size == 64
    assert model.declared.recommended.steps == 4


def test_a_file_that_declares_nothing_has_its_familys_native_size(tmp_path):
    assert examine(write_toy_checkpoint(tmp_path / "a.safetensors", architecture=None)).native_size == 512


def test_a_missing_folder_is_an_empty_list(tmp_path):
    assert scan([tmp_path / "nowhere"]) == []


def test_a_rows_values_travel_to_other_processes(folder):
    model = scan([folder])[0]
    assert pickle.loads(pickle.dumps(model)) == model


def test_bad_files_are_listed_with_their_problem_and_hide_nothing(folder, toy):
    (folder / "cut.safetensors").write_bytes(toy.read_bytes()[:-1000])
    (folder / "page.safetensors").write_bytes(b"<!doctype html>" + bytes(1000))
    (folder / "folder.safetensors").mkdir()
    (folder / "old.ckpt").write_bytes(b"PK\x03\x04" + bytes(1000))
    (folder / "note.txt").write_text("not a model")
    save_file({"w": np.zeros(3)}, folder / "odd.safetensors")
    save_file(
        {"w": np.zeros(3)}, folder / "wrong.safetensors", {"webui.architecture": json.dumps({"native_size": "big"})}
    )
    problems = {model.label: model.problem for model in scan([folder])}
    assert len(problems) == 9
    assert "truncated" in problems["cut.safetensors"]
    assert "a web page" in problems["page.safetensors"]
    assert "is a folder" in problems["folder.safetensors"]
    assert "cannot be read as a PyTorch checkpoint" in problems["old.ckpt"]
    assert "not a Stable Diffusion checkpoint: no UNet" in problems["odd.safetensors"]
    assert "native_size" in problems["wrong.safetensors"]
    assert [label for label, problem in problems.items() if not problem] == [
        "Alpha.safetensors",
        "anime/toon.safetensors",
        "beta.safetensors",
    ]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_file_without_permission_is_listed_with_its_problem(folder):
    path = folder / "locked.safetensors"
    path.write_bytes(bytes(100))
    path.chmod(0)
    assert "Permission denied" in next(model for model in scan([folder]) if model.name == "locked").problem


def test_a_broken_link_is_listed_with_its_problem(folder):
    (folder / "gone.safetensors").symlink_to(folder / "nowhere")
    assert "No such file" in next(model for model in scan([folder]) if model.name == "gone").problem


def test_a_link_that_leads_back_to_the_folder_is_walked_once(folder):
    (folder / "anime" / "again").symlink_to(folder)
    assert len(scan([folder])) == 3


def test_a_lora_among_the_checkpoints_is_named_and_told_where_to_go(folder):
    down = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
    save_file({down: np.zeros((8, 768), np.float16)}, folder / "style.safetensors")
    problem = next(model for model in scan([folder]) if model.name == "style").problem
    assert "not a checkpoint but a file of kind SD 1.x LoRA" in problem
    assert "models/Lora" in problem


def test_a_checkpoint_that_cannot_be_loaded_yet_says_so(folder):
    shapes = {**toy_shapes(), "model.diffusion_model.input_blocks.0.0.weight": (32, 5, 3, 3)}
    write_random(folder / "deep.safetensors", shapes)
    problem = next(model for model in scan([folder]) if model.name == "deep").problem
    assert "SD 1.x checkpoint (depth), which cannot be loaded yet" in problem


def test_vaes_come_from_their_folder_and_from_beside_the_checkpoints(folder, tmp_path):
    shapes = vae_shapes(widths=(8, 8), blocks=1)
    write_random(tmp_path / "vaes" / "soft.safetensors", shapes)
    write_random(folder / "beta.vae.safetensors", under("first_stage_model.", shapes))
    vaes = scan_vaes([tmp_path / "vaes"], beside=[folder])
    assert [(vae.label, vae.kind, vae.problem) for vae in vaes] == [
        ("beta.vae.safetensors", "VAE", ""),
        ("soft.safetensors", "VAE", ""),
    ]
    assert "beta.vae" not in [model.name for model in scan([folder])]
    assert vae_for(folder / "beta.safetensors", vaes) == vaes[0]
    assert vae_for(folder / "Alpha.safetensors", vaes) is None


def test_titles_carry_the_hash_once_it_is_known(folder, tmp_path):
    hashes = HashCache(tmp_path / "data")
    digest = hashes.sha256(folder / "beta.safetensors")
    titles = {model.name: model.title for model in scan([folder], hashes)}
    assert titles["beta"] == f"beta.safetensors [{digest[:10]}]"
    assert titles["Alpha"] == "Alpha.safetensors"
    assert with_hash(scan([folder])[0], hashes).title == f"Alpha.safetensors [{digest[:10]}]"
    hashes.close()


@pytest.mark.parametrize(
    "wanted",
    ["beta.safetensors", "beta", "BETA", " beta ", "eta.safe", "beta.safetensors [0123456789]"],
)
def test_a_model_is_found_by_every_name_it_goes_by(folder, wanted):
    assert find(scan([folder]), wanted).name == "beta"


def test_a_model_is_found_by_title_and_by_the_beginning_of_its_hash(folder, tmp_path):
    (folder / "other.safetensors").write_bytes(b"another content")
    hashes = HashCache(tmp_path / "data")
    digest = hashes.sha256(folder / "other.safetensors")
    models = scan([folder], hashes)
    titles = (f"other.safetensors [{digest[:10]}]", f"renamed since.safetensors [{digest[:10]}]")
    for wanted in (*titles, digest[:10], digest[:6], digest):
        assert find(models, wanted).name == "other"
    hashes.close()


def test_a_model_in_a_subfolder_is_found_by_its_label_and_by_its_stem(folder):
    models = scan([folder])
    assert find(models, "anime/toon.safetensors") is find(models, "toon") is find(models, "anime/t")


def test_an_exact_name_wins_over_one_that_contains_it(folder, toy):
    os.link(toy, folder / "a beta of sorts.safetensors")
    assert find(scan([folder]), "beta").label == "beta.safetensors"


def test_of_several_titles_that_contain_the_text_the_shortest_is_meant(folder, toy):
    os.link(toy, folder / "long beta two.safetensors")
    os.link(toy, folder / "beta two.safetensors")
    assert find(scan([folder]), "eta two").label == "beta two.safetensors"


def test_an_unknown_name_is_refused_with_the_nearest_ones(folder):
    with pytest.raises(UserError, match=r"no model called 'betta'.*Did you mean beta\.safetensors"):
        find(scan([folder]), "betta")


def test_a_name_like_no_other_is_refused_with_what_there_is(folder):
    with pytest.raises(UserError, match=r"There are: Alpha\.safetensors, anime/toon\.safetensors"):
        find(scan([folder]), "zzzzzzzz")


@pytest.mark.parametrize("wanted", ["", "   ", "x"])
def test_nothing_is_found_in_an_empty_list(wanted):
    with pytest.raises(UserError, match="There is no model"):
        find([], wanted)


def test_an_empty_name_means_no_model(folder):
    with pytest.raises(UserError):
        find(scan([folder]), " ")


def test_links_in_circles_are_walked_through_once(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / f"{name}.pt").symlink_to(tmp_path / f"{'other' if name == 'one' else 'one'}.pt")
        (tmp_path / f"{name}.safetensors").touch()
    os.mkfifo(tmp_path / "pipe.png")
    assert [model.label for model in scan([tmp_path])] == ["one.pt", "one.safetensors", "other.pt", "other.safetensors"]
    assert [path.name for path in embedding_files([tmp_path])] == ["one.safetensors", "other.safetensors"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_a_name_that_is_no_text_is_said_and_hides_no_other(tmp_path, caplog):
    (tmp_path / "good.safetensors").touch()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.safetensors")).touch()
    assert [model.label for model in scan([tmp_path])] == ["good.safetensors"]
    assert r"bad\udcff.safetensors" in caplog.text
