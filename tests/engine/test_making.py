"""New model files made of others: their numbers, what they say of themselves, what is left when it goes wrong."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from modules.catalog.hashing import HashCache, short_hash
from modules.core.errors import Stopped, UserError
from modules.core.events import ModelMade, Noticed, Step
from modules.core.stop import StopToken
from modules.weights.load import load_checkpoint
from modules.weights.lora.file import read_lora
from modules.weights.lora.merge import Wanted, merge
from tests.lora import write_lora
from tests.open_clip import sd2_shapes, sdxl_shapes
from tests.toy import toy_shapes, under, unet_shapes, write_random

UNET = "model.diffusion_model."
FIRST = UNET + "input_blocks.0.0.weight"
POSITIONS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


def metadata(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


def test_a_weighted_sum_is_computed_in_float32_and_what_only_a_has_is_kept(shop, made, tmp_path):
    a = load_file(shop / "a.safetensors")
    save_file({**a, POSITIONS: torch.arange(77)[None], "mine": torch.ones(3)}, tmp_path / "more.safetensors")
    new = load_file(made("merge", tmp_path / "more.safetensors", second="b", method="Weighted sum", multiplier=0.3))
    b = load_file(shop / "b.safetensors")
    assert new.keys() == {*a, POSITIONS, "mine"}
    assert new[POSITIONS].equal(torch.arange(77)[None]) and new["mine"].equal(torch.ones(3))
    assert all(new[name].dtype == torch.float16 for name in a)
    assert all(new[name].equal((a[name].float() * 0.7 + b[name].float() * 0.3).half()) for name in a)


def test_the_difference_of_b_and_c_is_added(shop, made):
    new = load_file(made("merge", "a", second="b", third="c", method="Add difference", multiplier=0.5, dtype="fp32"))
    a, b, c = (load_file(shop / f"{name}.safetensors") for name in "abc")
    for name in a:
        torch.testing.assert_close(new[name], a[name].float() + (b[name].float() - c[name].float()) * 0.5)


def test_an_inpainting_model_keeps_its_further_channels_and_must_be_a(shop, made, tmp_path):
    shapes = {**toy_shapes(), FIRST: (32, 9, 3, 3)}
    wide = write_random(tmp_path / "wide.safetensors", shapes, 5, metadata(shop / "a.safetensors"))
    (shop / "wide.safetensors").write_bytes(wide.read_bytes())
    new = load_file(made("merge", wide, second="b", method="Weighted sum", multiplier=0.5, dtype="fp32"))[FIRST]
    a, b = (load_file(shop / f"{name}.safetensors")[FIRST].float() for name in ("wide", "b"))
    torch.testing.assert_close(new[:, :4], (a[:, :4] + b) / 2)
    assert new[:, 4:].equal(a[:, 4:])
    with pytest.raises(UserError, match="A must be the inpainting model"):
        made("merge", "b", second="wide", method="Weighted sum")


def test_different_families_and_shapes_are_refused_by_name(shop, made):
    write_random(shop / "two.safetensors", sd2_shapes())
    with pytest.raises(UserError, match=r"a.safetensors is SD 1.x base checkpoint, but two.safetensors is SD 2.x"):
        made("merge", "a", second="two", method="Weighted sum")
    small = under(UNET, unet_shapes(widths=(16, 32, 32), attended=(True, True, False), blocks=1, context=32))
    write_random(shop / "small.safetensors", {**toy_shapes(), **small})
    with pytest.raises(UserError, match=r"small.safetensors does not fit"):
        made("merge", "a", second="small", method="Weighted sum")
    assert not list(made.folder.glob("new*"))


def test_ema_weights_take_the_place_of_the_plain_ones_or_go(shop, made, tmp_path):
    a = load_file(shop / "a.safetensors")
    unet = [name for name in a if name.startswith(UNET)]
    twins = {"model_ema." + name.removeprefix("model.").replace(".", ""): a[name] * 2 for name in unet}
    training = {"model_ema.decay": torch.tensor(0.9), "betas": torch.ones(9), "first_stage_model.loss.x": torch.ones(2)}
    save_file({**a, **twins, **training}, tmp_path / "trained.safetensors", metadata(shop / "a.safetensors"))
    trained = tmp_path / "trained.safetensors"

    plain = load_file(made("convert", trained, ema="plain"))
    assert plain.keys() == {*a, "betas", "first_stage_model.loss.x"} and plain[FIRST].equal(a[FIRST])
    (made.folder / "new.safetensors").unlink()
    smoothed = load_file(made("convert", trained, ema="ema", prune=True, dtype="fp32"))
    assert smoothed.keys() == a.keys() and smoothed[FIRST].equal(a[FIRST].float() * 2)
    (made.folder / "new.safetensors").unlink()
    both = load_file(made("convert", trained, ema="both", dtype="bf16"))
    assert both.keys() == {*a, *twins, *training}
    assert (both["betas"].dtype, both[next(iter(twins))].dtype) == (torch.float32, torch.bfloat16)
    with pytest.raises(UserError, match="has no EMA weights"):
        made("convert", "a", ema="ema")


def test_fp8_takes_the_unets_matrices_and_the_file_still_loads(shop, made):
    new = load_checkpoint(made("convert", "a", dtype="fp8"))
    stored = load_file(made.folder / "new.safetensors")
    kinds = {name: tensor.dtype for name, tensor in stored.items()}
    assert kinds[FIRST] == torch.float8_e4m3fn
    words = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    finer = (FIRST.replace("weight", "bias"), words, "first_stage_model.quant_conv.weight")
    assert {kinds[name] for name in finer} == {torch.float16}
    old = load_checkpoint(shop / "a.safetensors")
    for ours, theirs in zip(new.unet.parameters(), old.unet.parameters(), strict=True):
        assert (ours - theirs).norm() <= 0.05 * theirs.norm()


def test_numbers_that_do_not_fit_are_cut_and_said(shop, made, tmp_path):
    a = load_file(shop / "a.safetensors")
    save_file({**a, FIRST: a[FIRST].float() * 1e6}, tmp_path / "loud.safetensors", metadata(shop / "a.safetensors"))
    new = load_file(made("convert", tmp_path / "loud.safetensors", dtype="fp16"))
    assert new[FIRST].abs().max() == torch.finfo(torch.float16).max
    assert "cut to its largest one" in next(one.message for one in made.events if isinstance(one, Noticed))


def test_a_pickle_becomes_safetensors_to_the_bit_and_what_lies_beside_it_comes_along(shop, made, tmp_path):
    a = load_file(shop / "a.safetensors")
    torch.save({"state_dict": a, "global_step": 7}, tmp_path / "old.ckpt")
    (tmp_path / "old.yaml").write_text("model: {params: {parameterization: v}}")
    (tmp_path / "old.json").write_text('{"notes": "mine"}')
    path = made("convert", tmp_path / "old.ckpt")
    new = load_file(path)
    assert new.keys() == a.keys() and all(new[name].equal(a[name]) for name in a)
    told = metadata(path)
    assert json.loads(told["webui.architecture"])["prediction_type"] == "v_prediction"
    assert told["modelspec.prediction_type"] == "v"
    assert json.loads((tmp_path / "new.json").read_text()) == {"notes": "mine"}
    assert (tmp_path / "new.yaml").exists()
    assert made.events[-1] == ModelMade("job", str(path))


def test_the_file_says_how_it_was_made_in_a1111s_words_too(shop, made):
    path = made("merge", "a", second="b", method="Weighted sum", multiplier=0.4, dtype="fp16")
    told, hashes = metadata(path), HashCache(made.folder / "hashes")
    shas = [hashes.sha256(shop / f"{name}.safetensors") for name in "ab"]
    recipe = json.loads(told["sd_merge_recipe"])
    assert (recipe["primary_model_hash"], recipe["secondary_model_hash"], recipe["tertiary_model_hash"]) == (
        *shas,
        None,
    )
    assert (recipe["interp_method"], recipe["multiplier"], recipe["save_as_half"]) == ("Weighted sum", 0.4, True)
    assert json.loads(told["sd_merge_models"])[shas[1]]["name"] == "b.safetensors"
    ours = json.loads(told["easel.recipe"])
    assert ours["sources"][0] == {"name": "a.safetensors", "hash": short_hash(shas[0])}
    assert json.loads(told["webui.architecture"])["unet"] == {"num_attention_heads": 2, "norm_num_groups": 8}
    load_checkpoint(path)


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_a_baked_lora_is_to_the_bit_what_the_engine_merges(family, shop, made, tmp_path):
    shapes = {"sd2": sd2_shapes, "sdxl": sdxl_shapes}.get(family)
    file = write_random(tmp_path / "model.safetensors", shapes()) if shapes else shop / "a.safetensors"
    weights = load_checkpoint(file)
    lora = write_lora(tmp_path / "lora.safetensors", weights)
    merge(weights, [Wanted(read_lora(lora), 0.5, 0.8)])
    loras = [{"name": str(lora), "weight": 0.5, "unet": 0.8}]
    baked = load_checkpoint(made("merge", file, method="No interpolation", loras=loras, dtype="fp32"))
    for network in ("unet", "text_encoder"):
        ours, theirs = getattr(baked, network).state_dict(), getattr(weights, network).state_dict()
        assert all(ours[name].equal(theirs[name]) for name in theirs)
    nowhere = {f"lora_unet_nowhere.lora_{end}.weight": (2, 2) for end in ("up", "down")}
    other = write_random(tmp_path / "other.safetensors", nowhere)
    with pytest.raises(UserError, match=r"other.safetensors changes no layer"):
        made("merge", file, loras=[{"name": str(other)}], target=str(tmp_path / "x.safetensors"))


def test_a_vae_is_taken_out_and_baked_into_another(shop, made, tmp_path):
    b = load_file(shop / "b.safetensors")
    vae = made("extract VAE", "b").rename(tmp_path / "vae.safetensors")
    alone = load_file(vae)
    assert all(alone[name].equal(b[f"first_stage_model.{name}"]) for name in alone) and "quant_conv.weight" in alone
    new = load_file(made("merge", "a", vae=str(vae)))
    a = load_file(shop / "a.safetensors")
    assert all(new[name].equal(b[name] if name.startswith("first_stage_model.") else a[name]) for name in a)
    assert load_checkpoint(shop / "a.safetensors", vae=vae).vae is not None


def test_a_stop_or_a_file_of_that_name_leaves_things_as_they_were(shop, made):
    stop = StopToken()

    def stop_at_first(event):
        if isinstance(event, Step):
            stop.interrupt()

    with pytest.raises(Stopped):
        made("merge", "a", second="b", method="Weighted sum", stop=stop, emit=stop_at_first)
    assert not list(made.folder.glob("new*"))
    (made.folder / "new.safetensors").write_text("mine")
    with pytest.raises(UserError, match=r"There is a file new.safetensors already"):
        made("convert", "a", dtype="fp16")
    assert (made.folder / "new.safetensors").read_text() == "mine"


def test_a_disk_without_room_is_noticed_before_anything_is_written(shop, made, monkeypatch):
    from modules.core import files

    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: type("", (), {"free": 1_000_000})())
    with pytest.raises(UserError, match=r"needs 0.01 GB, but the disk of .* has 0.00 GB left"):
        made("convert", "a", dtype="fp32")
    assert not list(made.folder.glob("new*"))
