"""Checkpoints load as they are, whatever their names and extras; broken ones are refused by name."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch_file
from safetensors.torch import save_file as save_torch_file

from modules.catalog.beside import write_card
from modules.catalog.scan import examine
from modules.core.errors import UserError
from modules.weights.load import load_checkpoint, with_vae
from tests.toy import (
    ARCHITECTURE,
    clip_shapes,
    toy_shapes,
    under,
    unet_shapes,
    vae_shapes,
    write_random,
    write_toy_checkpoint,
)

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.text_model."
METADATA = {"webui.architecture": json.dumps(ARCHITECTURE)}


@pytest.fixture(scope="module")
def tensors(toy):
    return load_file(toy)


def computed(weights, prompt_chunk):
    """One pass through all three networks."""
    text = weights.encode([prompt_chunk(320, 1125)])
    latents = torch.linspace(-2, 2, 256).view(1, 4, 8, 8)
    return weights.decode(weights.predict(latents, torch.tensor([500.0]), text))


def test_the_toy_computes_pictures_of_finite_colours(weights, prompt_chunk):
    picture = computed(weights, prompt_chunk)
    assert picture.shape == (1, 3, 64, 64)
    assert picture.isfinite().all()
    assert 0.01 < picture.std() < 10


def test_nothing_is_left_without_weights(weights):
    for network in (weights.unet, weights.vae, weights.text_encoder):
        assert not any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers()))
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())


def test_declared_heads_groups_and_settings_are_honoured(weights):
    assert weights.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1.heads == 2
    assert weights.unet.down_blocks[0].resnets[0].norm1.num_groups == 8
    assert weights.vae.decoder.mid_block.resnets[0].norm1.num_groups == 4
    assert weights.text_encoder.config.num_attention_heads == 2
    assert weights.native_size == 64
    assert weights.prediction == "epsilon"
    assert weights.declared.recommended.sampler == "Euler"
    assert (weights.latent_channels, weights.latent_factor) == (4, 8)


def test_without_a_declaration_sd1s_rules_hold(tmp_path):
    shapes = {
        **under(UNET, unet_shapes(widths=(32, 64), attended=(True, False), blocks=1, context=128)),
        **under(VAE, vae_shapes(widths=(32, 32), blocks=1)),
        **under(TEXT, clip_shapes(width=128, layers=1)),
    }
    weights = load_checkpoint(write_random(tmp_path / "plain.safetensors", shapes))
    attention = weights.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1
    assert attention.heads == 8
    assert attention.to_q.in_features == 32
    assert weights.unet.down_blocks[0].resnets[0].norm1.num_groups == 32
    assert weights.vae.decoder.mid_block.resnets[0].norm1.num_groups == 32
    assert weights.text_encoder.config.num_attention_heads == 2
    assert weights.text_encoder.config.hidden_act == "quick_gelu"
    assert weights.native_size == 512
    assert weights.prediction == "epsilon"


def test_a_declared_prediction_is_honoured(tmp_path):
    path = write_toy_checkpoint(
        tmp_path / "v.safetensors", architecture={**ARCHITECTURE, "prediction_type": "v_prediction"}
    )
    assert load_checkpoint(path).prediction == "v_prediction"


def test_declared_preview_colours_are_honoured_and_else_the_familys(tmp_path, weights):
    preview = {"factors": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]], "bias": [0.5, 0, 0]}
    path = write_toy_checkpoint(tmp_path / "p.safetensors", architecture={**ARCHITECTURE, "preview": preview})
    factors, bias = load_checkpoint(path).preview_colours
    assert torch.equal(factors, torch.eye(4)[:, :3])
    assert bias.tolist() == [0.5, 0, 0]
    assert weights.preview_colours[0].tolist()[0] == pytest.approx([0.298, 0.207, 0.208])


def test_a_row_of_the_catalog_loads_like_its_path(toy, weights, prompt_chunk):
    assert torch.equal(computed(load_checkpoint(examine(toy)), prompt_chunk), computed(weights, prompt_chunk))


def test_extra_tensors_are_ignored(tmp_path, tensors, weights, prompt_chunk):
    extra = {
        "model_ema.diffusion_modelinput_blocks00weight": np.ones(3, np.float16),
        "model_ema.decay": np.ones((), np.float32),
        "alphas_cumprod": np.ones(1000, np.float32),
        TEXT + "embeddings.position_ids": np.arange(77)[None] * 0.5,
        VAE + "loss.logvar": np.ones((), np.float32),
    }
    save_file({**extra, **tensors}, tmp_path / "extra.safetensors", METADATA)
    loaded = load_checkpoint(tmp_path / "extra.safetensors")
    assert torch.equal(computed(loaded, prompt_chunk), computed(weights, prompt_chunk))


@pytest.mark.parametrize("asked", ["yaml", "card"])
def test_smoothed_weights_are_taken_where_they_are_asked_for(tmp_path, tensors, weights, asked):
    path = tmp_path / "both.safetensors"
    plain = {name: tensor for name, tensor in tensors.items() if name.startswith(UNET)}
    twins = {"model_ema." + name.removeprefix("model.").replace(".", ""): plain[name] / 2 for name in plain}
    save_file({**tensors, **twins}, path, METADATA)
    assert torch.equal(load_checkpoint(path).unet.conv_in.weight, weights.unet.conv_in.weight)
    if asked == "yaml":
        path.with_suffix(".yaml").write_text("model: {params: {use_ema: true}}")
    else:
        write_card(path, {"easel": {"use_ema": True}})
    smoothed = load_checkpoint(path)
    for ours, theirs in zip(smoothed.unet.parameters(), weights.unet.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs / 2, rtol=0, atol=1e-6)
    assert torch.equal(smoothed.vae.decoder.conv_in.weight, weights.vae.decoder.conv_in.weight)


def test_text_encoder_names_of_old_files_are_known(tmp_path, tensors, weights, prompt_chunk):
    old = {name.replace(".text_model.", "."): tensor for name, tensor in tensors.items()}
    save_file(old, tmp_path / "old.safetensors", METADATA)
    loaded = load_checkpoint(tmp_path / "old.safetensors")
    assert torch.equal(computed(loaded, prompt_chunk), computed(weights, prompt_chunk))


@pytest.mark.parametrize("part", ["proj_in.weight", "proj_out.weight", "attn_1.q.weight"])
def test_projections_may_be_stored_as_linear_layers(tmp_path, tensors, weights, prompt_chunk, part):
    other = {name: tensor.reshape(tensor.shape[:2]) if part in name else tensor for name, tensor in tensors.items()}
    assert any(other[name].shape != tensors[name].shape for name in tensors)
    save_file(other, tmp_path / "linear.safetensors", METADATA)
    torch.testing.assert_close(
        computed(load_checkpoint(tmp_path / "linear.safetensors"), prompt_chunk),
        computed(weights, prompt_chunk),
        rtol=0,
        atol=1e-5,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_storage_formats_are_cast(tmp_path, tensors, weights, prompt_chunk, dtype):
    save_file({name: tensor.astype(dtype) for name, tensor in tensors.items()}, tmp_path / "a.safetensors", METADATA)
    loaded = computed(load_checkpoint(tmp_path / "a.safetensors"), prompt_chunk)
    torch.testing.assert_close(loaded, computed(weights, prompt_chunk), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_storage_that_numpy_does_not_know_is_read_to_the_bit(tmp_path, toy, dtype):
    rounded = {name: tensor.to(dtype) for name, tensor in load_torch_file(toy).items()}
    save_torch_file(rounded, tmp_path / "small.safetensors", METADATA)
    loaded = load_checkpoint(tmp_path / "small.safetensors")
    found = {"conv_in": loaded.unet.conv_in.weight, "bias": loaded.vae.decoder.conv_out.bias}
    assert torch.equal(found["conv_in"], rounded[UNET + "input_blocks.0.0.weight"].float())
    assert torch.equal(found["bias"], rounded[VAE + "decoder.conv_out.bias"].float())
    assert torch.equal(
        loaded.text_encoder.embeddings.token_embedding.weight,
        rounded[TEXT + "embeddings.token_embedding.weight"].float(),
    )


def test_weights_that_begin_at_an_odd_byte_are_read(tmp_path, toy, weights, prompt_chunk):
    whole = toy.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    shifted = (length + 1).to_bytes(8, "little") + whole[8 : 8 + length] + b" " + whole[8 + length :]
    (tmp_path / "odd.safetensors").write_bytes(shifted)
    for dtype in (torch.float32, torch.float16):
        loaded = load_checkpoint(tmp_path / "odd.safetensors", dtype=dtype)
        assert torch.equal(loaded.unet.conv_in.weight, weights.unet.conv_in.weight.to(dtype))
    assert computed(loaded, prompt_chunk).isfinite().all()


def test_a_format_that_holds_no_fractions_is_refused(tmp_path, tensors):
    save_file({name: tensor.astype(np.int8) for name, tensor in tensors.items()}, tmp_path / "a.safetensors", METADATA)
    with pytest.raises(UserError, match=r"a\.safetensors cannot be loaded: its UNet.* format.*I8"):
        load_checkpoint(tmp_path / "a.safetensors")


def test_changing_a_parameter_leaves_the_file_as_it_is(tmp_path, toy):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(toy.read_bytes())
    load_checkpoint(copy, dtype=torch.float16).unet.conv_in.weight.zero_()
    assert copy.read_bytes() == toy.read_bytes()


def test_networks_have_the_dtypes_asked_for(toy):
    loaded = load_checkpoint(toy, dtype=torch.bfloat16, vae_dtype=torch.float32)
    assert {parameter.dtype for parameter in loaded.unet.parameters()} == {torch.bfloat16}
    assert {parameter.dtype for parameter in loaded.text_encoder.parameters()} == {torch.bfloat16}
    assert {parameter.dtype for parameter in loaded.vae.parameters()} == {torch.float32}


def test_a_loaded_model_does_not_change_when_its_file_is_deleted(toy, tmp_path, weights, prompt_chunk):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(toy.read_bytes())
    loaded = load_checkpoint(copy)
    copy.unlink()
    assert torch.equal(computed(loaded, prompt_chunk), computed(weights, prompt_chunk))


def test_another_vae_takes_the_place_of_the_checkpoints_own(toy, tmp_path, tensors, weights, prompt_chunk):
    own = {name.removeprefix(VAE): tensor for name, tensor in tensors.items() if name.startswith(VAE)}
    brighter = {**own, "decoder.conv_out.bias": own["decoder.conv_out.bias"] + np.float16(1)}
    groups = {"webui.architecture": json.dumps({"vae": ARCHITECTURE["vae"]})}
    save_file(brighter, tmp_path / "bright.safetensors", groups)
    loaded = load_checkpoint(toy, vae=tmp_path / "bright.safetensors")
    change = computed(loaded, prompt_chunk) - computed(weights, prompt_chunk)
    assert change.mean() == pytest.approx(1, abs=1e-2)
    switched = with_vae(weights, tmp_path / "bright.safetensors")
    assert switched.unet is weights.unet
    assert torch.equal(computed(switched, prompt_chunk), computed(loaded, prompt_chunk))
    assert torch.equal(computed(with_vae(switched, None), prompt_chunk), computed(weights, prompt_chunk))


def test_a_checkpoint_without_a_vae_loads_with_one_beside_it(tmp_path, toy, tensors, weights, prompt_chunk):
    bare = {name: tensor for name, tensor in tensors.items() if not name.startswith(VAE)}
    save_file(bare, tmp_path / "bare.safetensors", METADATA)
    loaded = load_checkpoint(tmp_path / "bare.safetensors", vae=toy)
    assert torch.equal(computed(loaded, prompt_chunk), computed(weights, prompt_chunk))
    with pytest.raises(UserError, match=r"bare\.safetensors cannot be loaded: The VAE"):
        load_checkpoint(tmp_path / "bare.safetensors")


def test_missing_tensors_are_named_as_the_file_names_them(tmp_path, tensors):
    lost = [UNET + "input_blocks.1.0.in_layers.2.weight", UNET + "out.0.bias"]
    save_file(
        {name: tensor for name, tensor in tensors.items() if name not in lost}, tmp_path / "a.safetensors", METADATA
    )
    with pytest.raises(UserError, match=r"a\.safetensors cannot be loaded: its UNet.* lacks 2 of its \d+") as caught:
        load_checkpoint(tmp_path / "a.safetensors")
    assert all(name in caught.value.message for name in lost)


def test_tensors_of_another_shape_are_named_with_both_shapes(tmp_path, tensors):
    name = UNET + "input_blocks.1.0.in_layers.2.weight"
    save_file({**tensors, name: tensors[name][:, :-1]}, tmp_path / "a.safetensors", METADATA)
    with pytest.raises(UserError, match=re.escape(f"{name} [32, 31, 3, 3] instead of [32, 32, 3, 3]")):
        load_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("architecture", "problem"),
    [
        ({"unet": {"norm_num_groups": 7}}, "UNet has layers 32 wide, which 7 norm groups cannot share"),
        ({"unet": {"num_attention_heads": 5}}, "UNet has layers 32 wide, which 5 attention heads cannot share"),
        ({"vae": {"norm_num_groups": 5}}, "VAE has layers 8 wide, which 5 norm groups cannot share"),
        ({"text_encoder": {"num_attention_heads": 5}}, "text encoder has layers 32 wide, which 5 attention heads"),
    ],
)
def test_heads_and_groups_that_do_not_divide_the_widths_are_refused(tmp_path, architecture, problem):
    path = write_toy_checkpoint(tmp_path / "odd.safetensors", architecture={**ARCHITECTURE, **architecture})
    with pytest.raises(UserError, match=rf"odd\.safetensors cannot be loaded.*{problem}"):
        load_checkpoint(path)


def test_every_bad_file_is_refused_before_anything_is_built(tmp_path, toy):
    whole = toy.read_bytes()
    bad = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "page": b"<html>" + bytes(999),
        "zip": b"PK\x03\x04" + bytes(999),
    }
    for name, content in bad.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"{name}\.safetensors"):
            load_checkpoint(path)


def test_a_file_of_another_kind_is_refused_for_what_it_is(tmp_path):
    write_random(tmp_path / "vae.safetensors", vae_shapes(widths=(8, 8), blocks=1))
    with pytest.raises(UserError, match=r"vae\.safetensors is not a Stable Diffusion checkpoint.*kind VAE"):
        load_checkpoint(tmp_path / "vae.safetensors")
    depth = {**toy_shapes(), UNET + "input_blocks.0.0.weight": (32, 5, 3, 3)}
    write_random(tmp_path / "deep.safetensors", depth)
    with pytest.raises(UserError, match=r"deep\.safetensors is SD 1\.x \(depth\), which cannot be loaded yet"):
        load_checkpoint(tmp_path / "deep.safetensors")


def test_a_vae_of_the_wrong_kind_is_refused(tmp_path, toy):
    write_random(tmp_path / "odd.safetensors", {"w": (3,)})
    with pytest.raises(UserError, match=r"odd\.safetensors is not a VAE"):
        load_checkpoint(toy, vae=tmp_path / "odd.safetensors")


MEASURE = """
import sys
from pathlib import Path
import torch
from modules.weights.load import load_checkpoint
warm, path = Path(sys.argv[1]), Path(sys.argv[2])
def status(key):
    return int(next(line for line in open("/proc/self/status") if line.startswith(key)).split()[1]) * 1024
for dtype in (torch.float16, torch.float32):
    load_checkpoint(warm, dtype=dtype)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    before = status("RssAnon"), status("VmRSS")
    weights = load_checkpoint(path, dtype=dtype)
    print(status("RssAnon") - before[0], status("VmHWM") - before[1], weights.nbytes)
    del weights
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads memory from /proc")
def test_weights_cost_no_memory_when_stored_as_wanted_and_one_copy_when_cast(tmp_path, toy):
    shapes = {
        **under(UNET, unet_shapes(widths=(192, 384), attended=(True, True), blocks=1, context=128)),
        **under(VAE, vae_shapes(widths=(64, 128), blocks=1)),
        **under(TEXT, clip_shapes(width=128, layers=4)),
    }
    path = write_random(tmp_path / "middling.safetensors", shapes)
    command = [sys.executable, "-c", MEASURE, str(toy), str(path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    stored, cast = ([int(word) for word in line.split()] for line in output.stdout.splitlines())
    slack = 8e6
    assert cast[2] == 2 * stored[2] > 100e6
    assert stored[0] < 0.05 * stored[2] + slack
    assert cast[0] < 1.05 * cast[2] + slack
    assert cast[1] < 1.1 * cast[2] + slack
