"""What is known of a model before it is loaded: its header, its name, the `.yaml` and the card beside it, in order."""

import json

import pytest

from modules.catalog import recognise
from modules.catalog.beside import write_card
from modules.catalog.hashing import HashCache
from modules.catalog.header import read_header
from modules.catalog.recognise import recognised
from modules.catalog.scan import examine, scan
from modules.core.errors import UserError
from modules.core.registry import SAMPLERS
from modules.diffusion import samplers, schedules
from tests.catalog import architectures as made
from tests.catalog.test_detect import write_header

assert samplers and schedules  # importing them registers what the recommendations name


@pytest.fixture
def known(tmp_path):
    def look(name, shapes, metadata=None):
        return recognised(read_header(write_header(tmp_path / name, shapes, metadata)))

    return look


@pytest.mark.parametrize(
    ("name", "shapes", "expected"),
    [
        ("sd_xl_turbo_1.0_fp16.safetensors", made.sdxl(), (4, 1.0, "Euler a", 512)),
        ("sd_turbo.safetensors", made.sd2(), (4, 1.0, "Euler a", 512)),
        ("dreamshaperXL_v2Turbo.safetensors", made.sdxl(), (4, 1.0, "Euler a", None)),
        ("sdxl_lightning_8step.safetensors", made.sdxl(), (8, 1.0, "Euler", None)),
        ("juggernautXL_lightning.safetensors", made.sdxl(), (4, 1.0, "Euler", None)),
        ("Hyper-SDXL-1step.safetensors", made.sdxl(), (1, 1.0, "DDIM", None)),
        ("dreamshaper_8LCM.safetensors", made.sd1(), (6, 1.5, "LCM", None)),
        ("flux1-schnell.safetensors", made.flux(guided=False), (4, 1.0, "Euler", None)),
        ("flux1-dev.safetensors", made.flux(), (20, 1.0, "Euler", None)),
        ("sd3_medium.safetensors", made.sd3(), (28, 7.0, "Euler", None)),
        ("sd3.5_large.safetensors", made.sd3(normed=True), (28, 3.5, "Euler", None)),
        ("sd3.5_large_turbo.safetensors", made.sd3(normed=True), (4, 1.0, "Euler", None)),
        ("turboprop_planes.safetensors", made.sd1(), (None, None, None, None)),
        ("v1-5-pruned-emaonly.safetensors", made.sd1(), (None, None, None, None)),
    ],
)
def test_names_of_distilled_models_bring_the_settings_that_suit_them(known, name, shapes, expected):
    declared = known(name, shapes).declared
    settings = declared.recommended
    assert (settings.steps, settings.cfg_scale, settings.sampler, declared.native_size) == expected
    assert settings.sampler is None or settings.sampler in SAMPLERS
    assert settings.schedule is None or settings.schedule in schedules.schedule_names()


def test_a_models_own_word_about_its_settings_outweighs_its_name(known):
    told = {"webui.architecture": json.dumps({"recommended": {"steps": 9}})}
    settings = known("x_turbo.safetensors", made.sd1(), told).declared.recommended
    assert (settings.steps, settings.sampler) == (9, "Euler a")


def test_kontext_is_told_from_dev_by_its_name_which_the_reason_says(known):
    found = known("flux1-dev-kontext_fp8_scaled.safetensors", made.flux()).detection
    assert found.variant == "kontext"
    assert "by its name" in found.reason


@pytest.mark.parametrize(
    ("name", "size"), [("v2-1_512-ema-pruned", 512), ("v2-1_768-ema-pruned", 768), ("other", None)]
)
def test_the_size_of_an_sd2_is_taken_from_its_name_if_it_says(known, name, size):
    found = known(f"{name}.safetensors", made.sd2())
    assert found.declared.native_size == size
    assert found.declared.prediction_type is None
    assert "when it is loaded" in found.detection.reason


@pytest.mark.parametrize(
    ("extra", "metadata", "from_pure_noise"),
    [
        ({"v_pred": (0,), "ztsnr": (0,)}, None, True),
        ({"v_pred": (0,)}, None, None),
        ({}, {"modelspec.prediction_type": "v"}, None),
        ({}, {"modelspec.prediction_type": "v", "ss_zero_terminal_snr": "True"}, True),
        ({}, {"webui.architecture": '{"prediction_type": "v_prediction", "zero_terminal_snr": true}'}, True),
    ],
)
def test_trainers_marks_say_that_v_is_predicted_and_from_what_noise_on(known, extra, metadata, from_pure_noise):
    declared = known("noob.safetensors", made.sdxl() | extra, metadata).declared
    assert (declared.prediction_type, declared.zero_terminal_snr) == ("v_prediction", from_pure_noise)


def test_a_yaml_and_above_it_the_users_word_say_from_what_noise_on(known, tmp_path):
    (tmp_path / "x.yaml").write_text("model: {params: {parameterization: v, rescale_betas_zero_snr: true}}")
    found = known("x.safetensors", made.sd2())
    assert found.declared.zero_terminal_snr is True
    assert "zero terminal SNR" in found.detection.reason
    write_card(tmp_path / "x.safetensors", {"easel": {"zero_terminal_snr": False}})
    found = known("x.safetensors", made.sd2())
    assert (found.declared.zero_terminal_snr, found.overridden) == (False, True)


def test_a_yaml_beside_a_checkpoint_outweighs_what_the_file_says(known, tmp_path):
    (tmp_path / "x.yaml").write_text(
        "model:\n  params:\n    parameterization: v\n    unet_config:\n      params: {num_heads: 4, in_channels: 4}\n"
    )
    found = known("x.safetensors", made.sd1(), {"modelspec.prediction_type": "epsilon"})
    assert found.declared.prediction_type == "v_prediction"
    assert found.declared.unet.num_attention_heads == 4
    assert "the .yaml beside it says v_prediction" in found.detection.reason


def test_a_yaml_that_means_nothing_here_changes_nothing(known, tmp_path):
    (tmp_path / "x.yaml").write_text("base_model: something\nmodel: [1, 2]\n")
    assert known("x.safetensors", made.sd1()).declared.prediction_type is None


@pytest.mark.parametrize("text", ["a: [", "!!python/object/apply:os.system [touch here]", "[" * 5000, "x: " + "é" * 3])
def test_a_wrong_yaml_is_refused_by_name_and_runs_nothing(known, tmp_path, text):
    (tmp_path / "x.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"x\.yaml cannot be read"):
        known("x.safetensors", made.sd1())
    assert not (tmp_path / "here").exists()


def test_the_users_word_outweighs_everything_and_says_so(known, tmp_path):
    (tmp_path / "x.yaml").write_text("model: {params: {parameterization: v}}")
    own = {"family": "sdxl", "variant": "inpainting", "prediction_type": "epsilon", "recommended": {"steps": 3}}
    write_card(tmp_path / "x.safetensors", {"easel": own})
    found = known("x.safetensors", made.sd1())
    assert (found.detection.family_id, found.detection.variant, found.overridden) == ("sdxl", "inpainting", True)
    assert found.detection.reason.startswith("you said that it is SDXL inpainting; a UNet")
    assert (found.declared.prediction_type, found.declared.recommended.steps) == ("epsilon", 3)


def test_a_file_is_read_once_and_what_it_is_remembered(tmp_path, monkeypatch):
    path = write_header(tmp_path / "x.safetensors", made.lora_layers())
    cache = HashCache(tmp_path / "data")
    before = examine(path, "LoRA", cache)
    monkeypatch.setattr("modules.catalog.scan.read_tensors", lambda path: pytest.fail("the file was read again"))
    assert examine(path, "LoRA", cache) == before
    monkeypatch.setattr("modules.catalog.scan.EDITION", "other rules")
    with pytest.raises(pytest.fail.Exception, match="read again"):
        examine(path, "LoRA", cache)
    cache.close()


def test_a_diffusers_folder_is_one_entry_that_names_its_family(tmp_path):
    folder = tmp_path / "models" / "stable-diffusion-xl-base-1.0"
    (folder / "unet").mkdir(parents=True)
    (folder / "vae").mkdir()
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    write_header(folder / "unet" / "diffusion_pytorch_model.safetensors", made.diffusers_unet(2048))
    write_header(folder / "vae" / "diffusion_pytorch_model.safetensors", made.sd_vae())
    (model,) = scan([tmp_path / "models"])
    assert (model.kind, model.family_id, model.variant) == ("diffusers folder", "sdxl", "base")
    assert "StableDiffusionXLPipeline" in model.reason
    assert "is a SDXL diffusers folder (base), which cannot be loaded: " in model.problem


def test_a_damaged_diffusers_folder_is_listed_with_its_problem(tmp_path):
    (tmp_path / "models" / "x").mkdir(parents=True)
    (tmp_path / "models" / "x" / "model_index.json").write_text("{" * 10)
    (model,) = scan([tmp_path / "models"])
    assert "x/model_index.json cannot be read" in model.problem


def test_rules_are_known_by_their_text():
    assert len(recognise.EDITION) == 16
