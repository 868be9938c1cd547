"""Texts of old versions of A1111 and of its relatives, in today's words."""

from __future__ import annotations

import pytest

from modules.core.infotext import Pasted, composed, read

SCHEDULES = ("Automatic", "Karras", "Exponential")


def pasted(prompt: str = "a cat", **entries: object) -> Pasted:
    """What a text with these entries says; `_` stands for a space in keys that have none."""
    usual = {"Steps": 20, "Sampler": "Euler", "Seed": 1, "Size": "512x512"}
    return read(
        composed(
            prompt,
            "",
            {**usual, **{key if " " in key else key.replace("_", " "): value for key, value in entries.items()}},
        ),
        SCHEDULES,
    )


@pytest.mark.parametrize(
    ("version", "prompt", "sampler", "expected"),
    [
        ("v1.5.2", "[a:b:0.5]", "Euler", {"use_old_scheduling": True}),
        ("v1.5.2", "a cat", "DDIM", {"pad_cond_uncond_v0": True}),
        ("v1.5.2-12-gabcdef0", "[a]", "PLMS", {"use_old_scheduling": True, "pad_cond_uncond_v0": True}),
        ("v1.6.0", "[a:b:0.5]", "DDIM", {}),
        ("v1.10.1", "[a:b:0.5]", "DDIM", {}),
        ("", "[a:b:0.5]", "DDIM", {}),
        ("Easel 0.1.0", "[a:b:0.5]", "DDIM", {}),
        ("f2.0.1v1.10.1-previous-1", "[a:b:0.5]", "DDIM", {}),
    ],
)
def test_what_a_version_did_otherwise_is_done_as_it_did(version, prompt, sampler, expected) -> None:
    values = pasted(prompt, Sampler=sampler, Version=version or None).values
    asked = ("use_old_scheduling", "pad_cond_uncond_v0")
    assert {name: True for name in asked if values[name]} == expected


def test_forges_words_for_flow_models_are_understood() -> None:
    found = pasted(
        **{"Distilled CFG Scale": 2.5, "Hires upscale": 2, "Hires Distilled CFG Scale": 3, "Shift": 6.0},
        **{"Diffusion in Low Bits": "Automatic (fp16 LoRA)", "Module 1": "ae", "Version": "f2.0.1v1.10.1-previous"},
    )
    names = ("distilled_cfg_scale", "hr_distilled_cfg", "flow_shift")
    assert [found.values[name] for name in names] == [2.5, 3.0, 6.0]
    assert found.unknown == {}


def test_an_old_refiner_switched_by_steps() -> None:
    about = {"Refiner": "b", "Refiner_switch_at": 0.8}
    assert pasted(Version="v1.7.0", **about).values["refiner_switch_by_sample_steps"]
    assert not pasted(Version="v1.8.0", **about).values["refiner_switch_by_sample_steps"]


def test_what_an_old_version_did_and_nobody_here_can_do_is_a_known_difference() -> None:
    assert "half precision" in pasted(Version="v1.7.0").differences[0]
    assert pasted(Version="v1.7.0-225").differences == ()
    assert "half precision" in pasted(Version="v1.10.1", **{"Downcast alphas_cumprod": True}).differences[0]


@pytest.mark.parametrize(
    ("first", "size", "expected"),
    [
        ("512x512", "1024x1024", (512, 512, 1024, 1024)),
        ("0x0", "1024x1024", (512, 512, 1024, 1024)),
        ("0x0", "1536x768", (768, 384, 1536, 768)),
    ],
)
def test_an_old_hires_fix_wrote_the_large_size_and_the_first_pass_beside_it(first, size, expected) -> None:
    values = pasted(Size=size, First_pass_size=first).values
    assert tuple(values[name] for name in ("width", "height", "hr_resize_x", "hr_resize_y")) == expected
    assert values["enable_hr"]


def test_an_order_of_unipc_is_an_option_of_the_sampler() -> None:
    found = pasted(Sampler="UniPC", UniPC_order=2)
    assert (found.values["sampler_options"], found.unknown) == ("order=2", {})


def test_an_old_hypernetwork_goes_into_the_prompt() -> None:
    assert pasted(Hypernet="anime", Hypernet_strength=0.5).values["prompt"] == "a cat<hypernet:anime:0.5>"


def test_sdnexts_words_are_translated_and_what_it_alone_does_is_said() -> None:
    found = pasted(
        App="SD.Next", Version="04a5071", Parser="Full parser", Backend="Diffusers", Operations="txt2img; hires",
        Sampler="KDPM2 a", Sampler_sigma="karras", Variation_seed=7, Variation_strength=0.25, Hires_scale=2,
        Hires_upscaler="Latent", Hires_strength=0.4, ToMe=0.5,
    )  # fmt: skip
    values = found.values
    assert (values["sampler"], values["schedule"]) == ("DPM2 a", "Karras")
    assert (values["subseed"], values["subseed_strength"]) == (7, 0.25)
    assert (values["enable_hr"], values["hr_scale"], values["denoising_strength"]) == (True, 2, 0.4)
    assert found.program == "SD.Next 04a5071"
    assert found.unknown == {"ToMe": "0.5"}
    assert "parser" in found.lost[0]
    assert "diffusers" in found.differences[0]


def test_fooocus_texts_have_their_loras_put_into_the_prompt() -> None:
    found = pasted(
        Version="Fooocus v2.5.0", Sampler="dpmpp_2m_sde_gpu", Scheduler="karras", Performance="Speed", Sharpness=2.0,
        Styles="['Fooocus V2']", Lora_hashes="x: 00, y: 11", Lora_weights="glow: 0.5, ink: 1.0", Raw_prompt="a",
    )  # fmt: skip
    assert found.values["prompt"] == "a cat <lora:glow:0.5> <lora:ink:1.0>"
    assert (found.values["sampler"], found.values["schedule"]) == ("DPM++ 2M SDE", "Karras")
    assert found.values["noise_source"] == "CPU"
    assert found.unknown == {}
    assert len(found.lost) == 2


def test_texts_translated_from_elsewhere_bring_what_was_lost_with_them() -> None:
    found = pasted(Made_with="ComfyUI", Left_out="A node X: skipped.\nAnother, too: yes.")
    assert (found.program, found.unknown) == ("ComfyUI", {})
    assert "weighs words" in found.differences[0]
    assert found.lost == ("A node X: skipped.", "Another, too: yes.")
