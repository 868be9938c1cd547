"""Text encoders and VAEs that a checkpoint lacks are found in files of their own, or asked for by name."""

import shutil
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file

from modules.catalog.companions import Places
from modules.core.errors import UserError
from modules.text.grammar import attention
from modules.weights.load import load_checkpoint, with_vae
from modules.weights.precision import Precision
from modules.weights.residency import Loader
from tests import flow_models as made
from tests.toy import under, write_random, write_toy_checkpoint

CPU = Precision(torch.device("cpu"), torch.float32, torch.float32)
SD3_ALONE = {**made.SD35_MEDIUM, **under(made.VAE, made.VAE_OF_16)}  # as Stability AI writes them: with a VAE


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Models folders, with the network out of reach."""

    def refused(*address):
        raise AssertionError(f"asked for {address}")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)
    write_random(tmp_path / "flux.safetensors", made.FLUX, 3, made.ARCHITECTURE)
    write_random(tmp_path / "sd3.safetensors", SD3_ALONE, 3, made.ARCHITECTURE)
    return tmp_path


def places(folder):
    return Places((folder / "text_encoder", folder / "clip"), (folder / "VAE",))


def test_parts_in_files_of_their_own_compute_what_they_do_inside(shop, noise):
    made.write_parts(shop, "t5xxl", "clip_l", "vae")
    made.write_tokenizer(shop / "text_encoder")
    split = load_checkpoint(shop / "flux.safetensors", places=places(shop))
    inner = {f"model.diffusion_model.{name}": one for name, one in load_file(shop / "flux.safetensors").items()}
    for prefix, file in ((made.T5, "file 0"), (made.CLIP_L, "file 1")):
        inner |= {prefix + name: one for name, one in load_file(shop / f"text_encoder/{file}.safetensors").items()}
    inner |= {f"vae.{name}": one for name, one in load_file(shop / "VAE/16.safetensors").items()}
    save_file(inner, shop / "whole.safetensors", made.ARCHITECTURE)
    whole = load_checkpoint(shop / "whole.safetensors", places=places(shop))
    assert sorted(path.name for path in split.others) == ["file 0.safetensors", "file 1.safetensors", "tokenizer.json"]
    assert [path.name for path in whole.others] == ["tokenizer.json"]
    latents, moment = noise(1, 16, 4, 4), torch.tensor([500.0])
    found = [one.read(attention("a red house")) for one in (split, whole)]
    assert all(torch.equal(found[0][name], found[1][name]) for name in ("text", "pooled"))
    assert torch.equal(split.predict(latents, moment, found[0]), whole.predict(latents, moment, found[1]))
    assert torch.equal(split.decode(latents), whole.decode(latents))
    assert torch.equal(with_vae(split, None, places(shop)).decode(latents), split.decode(latents))


def test_what_is_missing_is_asked_for_with_the_file_and_the_folder(shop):
    with pytest.raises(UserError) as told:
        load_checkpoint(shop / "flux.safetensors", places=places(shop))
    assert "flux.safetensors lacks CLIP-L, the T5 text encoder and the VAE" in told.value.message
    for part in ("clip_l.safetensors from https://", "t5xxl_fp16.safetensors", f"into {shop / 'text_encoder'}"):
        assert part in told.value.hint
    assert (
        f"ae.safetensors from https://huggingface.co/black-forest-labs/FLUX.1-schnell into {shop / 'VAE'}"
        in told.value.hint
    )
    made.write_parts(shop, "clip_l", "t5xxl", "vae")
    with pytest.raises(UserError) as told:
        load_checkpoint(shop / "flux.safetensors", places=places(shop))
    assert "lacks T5's tokenizer" in told.value.message
    assert (
        f"tokenizer.json from https://huggingface.co/google-t5/t5-small into {shop / 'text_encoder'}" in told.value.hint
    )


def test_sd_3_does_without_t5_and_says_so_once(shop):
    with pytest.raises(UserError, match=r"sd3\.safetensors lacks CLIP-L and CLIP-G, and there is none in"):
        load_checkpoint(shop / "sd3.safetensors", places=places(shop))
    made.write_parts(shop, "clip_g", "clip_l")
    weights = load_checkpoint(shop / "sd3.safetensors", places=places(shop))
    (remark,) = weights.remarks
    assert "reads prompts without T5" in remark and "t5xxl_fp16.safetensors" in remark
    text = weights.read(attention("a red house"))["text"]
    assert text.shape == (1, 77 + 256, made.TEXT_WIDTH)
    assert text[:, :77].any() and not text[:, 77:].any()


def test_a_part_that_came_is_used_at_the_next_loading_and_nothing_is_loaded_twice(shop):
    made.write_parts(shop, "clip_g", "clip_l")
    loader = Loader(CPU, places=places(shop))
    without = loader.open(shop / "sd3.safetensors")
    assert loader.open(shop / "sd3.safetensors") is without and without.sentences is None
    write_random(shop / "clip" / "t5.safetensors", made.ENCODERS["t5xxl"], 2)
    made.write_tokenizer(shop / "clip")
    having = loader.open(shop / "sd3.safetensors")
    assert having.sentences.path == shop / "clip" / "tokenizer.json" and not having.remarks
    assert having.read(attention("a red house"))["text"][:, 77:].any()
    assert loader.open(shop / "sd3.safetensors") is having


def test_files_of_other_kinds_are_not_taken_for_parts(shop):
    """CLIPs of other widths, T5's kin of many languages, VAEs of 4 channels and of the other family, other words."""
    made.write_parts(shop, "clip_g")
    bias = "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight"
    write_random(shop / "text_encoder" / "umt5.safetensors", made.ENCODERS["t5xxl"] | {bias: (32, 4)})
    write_toy_checkpoint(shop / "VAE" / "toy.safetensors")
    write_random(shop / "VAE" / "sd3_vae.safetensors", made.VAE_OF_16, 1, made.ARCHITECTURE)
    (shop / "text_encoder" / "broken.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="lacks CLIP-L, the T5 text encoder and the VAE"):
        load_checkpoint(shop / "flux.safetensors", places=places(shop))
    made.write_parts(shop, "clip_l", "t5xxl", "vae")
    (shop / "text_encoder" / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {"</s>": 1}}}')
    with pytest.raises(UserError, match="lacks T5's tokenizer"):
        load_checkpoint(shop / "flux.safetensors", places=places(shop))


def test_of_several_files_the_finest_is_taken_and_a_chosen_vae_wins(shop, noise):
    made.write_parts(shop, "clip_l", "t5xxl")
    made.write_tokenizer(shop / "text_encoder")
    t5 = load_file(shop / "text_encoder" / "file 1.safetensors")
    save_file({name: one.to(torch.float8_e4m3fn) for name, one in t5.items()}, shop / "text_encoder" / "a.safetensors")
    chosen = write_random(shop / "mine.safetensors", made.VAE_OF_16, 9, made.ARCHITECTURE)
    weights = load_checkpoint(shop / "flux.safetensors", vae=chosen, places=places(shop))
    assert weights.vae_path == chosen
    assert torch.equal(weights.text_encoder.t5.shared.weight, t5["shared.weight"].float())


def test_kontext_is_loaded_as_dev_and_says_what_it_is_not_given(shop):
    made.write_parts(shop, "clip_l", "t5xxl", "vae")
    made.write_tokenizer(shop / "text_encoder")
    (shop / "flux.safetensors").rename(shop / "flux1-dev-kontext.safetensors")
    weights = load_checkpoint(shop / "flux1-dev-kontext.safetensors", places=places(shop))
    assert weights.distilled_guidance
    (remark,) = weights.remarks
    assert "the pictures that Kontext can be shown beside them cannot be given yet" in remark


def test_fp16_is_not_computed_in_where_it_overflows(shop):
    made.write_parts(shop, "clip_g", "clip_l")
    weights = load_checkpoint(shop / "sd3.safetensors", dtype=torch.float16, places=places(shop))
    assert weights.dtype == weights.unet.proj_out.weight.dtype == torch.bfloat16
    assert weights.text_encoder.large.text_projection.weight.dtype == torch.bfloat16


def test_an_encoder_that_went_away_is_named_when_it_is_to_be_read_again(shop):
    made.write_parts(shop, "clip_g", "clip_l")
    weights = load_checkpoint(shop / "sd3.safetensors", places=places(shop))
    shutil.rmtree(shop / "text_encoder")
    with pytest.raises(UserError, match=r"file \d\.safetensors cannot be read"):
        dict(weights.stored["text_encoder"].read({"large.text_projection.weight": (made.LARGE, made.LARGE)}))
