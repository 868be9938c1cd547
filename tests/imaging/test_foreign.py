"""Other programs' metadata in A1111's words: as far as it maps, and what does not is said."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.core.infotext import Pasted, read
from modules.imaging.foreign import translated
from modules.imaging.foreign.invokeai import weighted as compel
from modules.imaging.foreign.novelai import weighted as braces

SIZE = (640, 384)
SCHEDULES = ("Automatic", "Karras")


def said(texts: dict[str, Any]) -> Pasted:
    """What the translation of these texts says."""
    plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in texts.items()}
    return read(translated(plain, SIZE), SCHEDULES)


def given_in(pasted: Pasted, *names: str) -> tuple[Any, ...]:
    return tuple(pasted.values.get(name) for name in names)


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


TEXT_TO_IMAGE = {
    "3": node(
        "KSampler", seed=["20", 0], steps=25, cfg=6.5, sampler_name="dpmpp_2m_sde_gpu", scheduler="karras", denoise=1.0,
        model=["11", 0], positive=["6", 0], negative=["7", 0], latent_image=["5", 0],
    ),
    "4": node("CheckpointLoaderSimple", ckpt_name="sub\\castle-v2.safetensors"),
    "5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
    "6": node("CLIPTextEncode", text=["21", 0], clip=["12", 0]),
    "7": node("CLIPTextEncode", text="fog", clip=["12", 0]),
    "8": node("VAEDecode", samples=["3", 0], vae=["13", 0]),
    "9": node("SaveImage", images=["8", 0], filename_prefix="x"),
    "10": node("LoraLoader", lora_name="stone.safetensors", strength_model=0.8, strength_clip=0.8, model=["4", 0]),
    "11": node("LoraLoader", lora_name="ink.safetensors", strength_model=0.5, strength_clip=1, model=["10", 0]),
    "12": node("CLIPSetLastLayer", stop_at_clip_layer=-2),
    "13": node("VAELoader", vae_name="sharp.safetensors"),
    "20": node("PrimitiveInt", value=77),
    "21": node("StringConstant", string="a castle"),
}  # fmt: skip


def test_comfyuis_links_are_followed_to_prompts_model_loras_and_size() -> None:
    found = said({"prompt": TEXT_TO_IMAGE})
    assert found.values["prompt"] == "a castle <lora:stone:0.8> <lora:ink:1:0.5>"
    assert found.values["negative_prompt"] == "fog"
    names = ("steps", "cfg_scale", "seed", "sampler", "schedule", "width", "height", "clip_skip", "noise_source")
    assert given_in(found, *names) == (25, 6.5, 77, "DPM++ 2M SDE", "Karras", 512, 768, 2, "CPU")
    assert (found.model, found.vae) == (("castle-v2", ""), ("sharp", ""))
    assert (found.program, found.lost, dict(found.unknown)) == ("ComfyUI", (), {})


def test_a_second_sampler_of_comfyuis_is_a_hires_fix() -> None:
    second = node(
        "KSampler", seed=5, steps=12, cfg=5.0, sampler_name="euler", scheduler="normal", denoise=0.55,
        model=["11", 0], positive=["6", 0], negative=["7", 0], latent_image=["31", 0],
    )  # fmt: skip
    graph = {
        **TEXT_TO_IMAGE,
        "30": second,
        "31": node("LatentUpscaleBy", samples=["3", 0], upscale_method="nearest-exact", scale_by=1.5),
        "8": node("VAEDecode", samples=["30", 0], vae=["4", 2]),
    }
    found = said({"prompt": graph})
    names = ("enable_hr", "hr_scale", "hr_upscaler", "hr_second_pass_steps", "denoising_strength", "hr_sampler_name")
    assert given_in(found, *names) == (True, 1.5, "Latent (nearest-exact)", 12, 0.55, "Euler")
    assert given_in(found, "steps", "seed", "width") == (25, 77, 512)


def test_comfyuis_custom_sampler_has_its_parts_in_nodes_of_their_own() -> None:
    graph = {
        "1": node("SamplerCustomAdvanced", noise=["2", 0], guider=["3", 0], sampler=["4", 0], sigmas=["5", 0],
                  latent_image=["6", 0]),
        "2": node("RandomNoise", noise_seed=9),
        "3": node("CFGGuider", model=["7", 0], positive=["8", 0], negative=["9", 0], cfg=3.5),
        "4": node("KSamplerSelect", sampler_name="dpmpp_3m_sde"),
        "5": node("BasicScheduler", scheduler="beta", steps=14, denoise=1, model=["7", 0]),
        "6": node("EmptyLatentImage", width=256, height=320, batch_size=1),
        "7": node("UNETLoader", unet_name="net.safetensors"),
        "8": node("ConditioningCombine", conditioning_1=["10", 0], conditioning_2=["11", 0]),
        "9": node("ConditioningConcat", conditioning_to=["10", 0], conditioning_from=["11", 0]),
        "10": node("CLIPTextEncode", text="a cat"),
        "11": node("CLIPTextEncode", text="a dog"),
        "12": node("VAEDecode", samples=["1", 0]),
        "13": node("SaveImage", images=["12", 0]),
    }  # fmt: skip
    found = said({"prompt": graph})
    names = ("prompt", "negative_prompt", "steps", "cfg_scale", "seed", "sampler", "schedule", "height")
    expected = ("a cat AND a dog", "a cat BREAK a dog", 14, 3.5, 9, "DPM++ 3M SDE", "Beta", 320)
    assert given_in(found, *names) == expected


def test_comfyuis_flux_has_a_guidance_of_its_own_and_sd_3_a_shift() -> None:
    graph = {
        "1": node("SamplerCustomAdvanced", noise=["2", 0], guider=["3", 0], sampler=["4", 0], sigmas=["5", 0],
                  latent_image=["6", 0]),
        "2": node("RandomNoise", noise_seed=9),
        "3": node("BasicGuider", model=["9", 0], conditioning=["8", 0]),
        "4": node("KSamplerSelect", sampler_name="euler"),
        "5": node("BasicScheduler", scheduler="simple", steps=20, denoise=1, model=["9", 0]),
        "6": node("EmptySD3LatentImage", width=256, height=320, batch_size=1),
        "7": node("UNETLoader", unet_name="flux1-dev.safetensors"),
        "8": node("FluxGuidance", guidance=2.5, conditioning=["10", 0]),
        "9": node("ModelSamplingSD3", shift=2.0, model=["7", 0]),
        "10": node("CLIPTextEncode", text="a cat", clip=["11", 0]),
        "11": node("DualCLIPLoader", clip_name1="t5xxl.safetensors", clip_name2="clip_l.safetensors", type="flux"),
        "12": node("VAEDecode", samples=["1", 0]),
        "13": node("SaveImage", images=["12", 0]),
    }  # fmt: skip
    found = said({"prompt": graph})
    names = ("prompt", "cfg_scale", "distilled_cfg_scale", "flow_shift", "sampler", "schedule", "width")
    assert given_in(found, *names) == ("a cat", 1.0, 2.5, 2.0, "Euler", "Simple", 256)
    assert (found.lost, found.model) == ((), ("flux1-dev", ""))


def test_what_comfyuis_nodes_do_beyond_that_is_said() -> None:
    graph = {
        **TEXT_TO_IMAGE,
        "5": node("VAEEncode", pixels=["40", 0], vae=["4", 2]),
        "40": node("LoadImage", image="me.png"),
        "11": node("FreeU", model=["10", 0], b1=1.3),
    }
    found = said({"prompt": graph})
    assert "ComfyUI's node FreeU means nothing here." in found.lost
    assert "It was painted from a picture, which is not in the file." in found.lost
    assert given_in(found, "width", "height", "denoising_strength") == (*SIZE, 1.0)


def test_comfyuis_canvas_is_read_where_the_graph_that_ran_is_not_there() -> None:
    nodes = [
        {"id": 3, "type": "KSampler", "widgets_values": [11, "fixed", 20, 8, "euler_ancestral", "normal", 1],
         "inputs": [{"name": "positive", "link": 1}, {"name": "latent_image", "link": 2}]},
        {"id": 6, "type": "CLIPTextEncode", "widgets_values": ["a boat"], "inputs": []},
        {"id": 5, "type": "EmptyLatentImage", "widgets_values": [320, 256, 1]},
        {"id": 8, "type": "VAEDecode", "inputs": [{"name": "samples", "link": 3}]},
        {"id": 9, "type": "SaveImage", "inputs": [{"name": "images", "link": 4}]},
    ]  # fmt: skip
    links = [[1, 6, 0, 3, 1, "X"], [2, 5, 0, 3, 3, "X"], [3, 3, 0, 8, 0, "X"], [4, 8, 0, 9, 0, "X"]]
    found = said({"workflow": {"nodes": nodes, "links": links}})
    names = ("prompt", "steps", "cfg_scale", "seed", "sampler", "schedule", "width")
    assert given_in(found, *names) == ("a boat", 20, 8, 11, "Euler a", "Normal", 320)


def test_invokeais_settings_of_today_are_read() -> None:
    made = {
        "positive_prompt": "a (red)1.3 boat++", "negative_prompt": "fog-", "width": 512, "height": 640, "seed": 3,
        "cfg_scale": 7.5, "steps": 30, "scheduler": "dpmpp_2m_sde_k", "clip_skip": 1, "rand_device": "cpu",
        "model": {"name": "boats_v9", "hash": "blake3:00"}, "loras": [{"model": {"name": "ink"}, "weight": 0.6}],
        "vae": {"name": "soft"}, "controlnets": [{}], "positive_style_prompt": "oil", "strength": None,
    }  # fmt: skip
    found = said({"invokeai_metadata": made})
    assert found.values["prompt"] == "a (red:1.3) (boat:1.21) <lora:ink:0.6>"
    assert found.values["negative_prompt"] == "(fog:0.9)"
    names = ("steps", "sampler", "schedule", "seed", "width", "height", "clip_skip", "noise_source")
    assert given_in(found, *names) == (30, "DPM++ 2M SDE", "Karras", 3, 512, 640, 2, "CPU")
    assert (found.model[0], found.vae[0], found.program) == ("boats_v9", "soft", "InvokeAI")
    assert len(found.lost) == 2


def test_invokeais_older_settings_have_the_negative_prompt_taken_out_of_the_prompt() -> None:
    image = {
        "prompt": [{"prompt": "a boat [fog, rain]", "weight": 1}],
        "steps": 20,
        "cfg_scale": 7,
        "sampler": "k_euler_a",
        "seed": 4,
    }
    found = said({"sd-metadata": {"model_weights": "sd15", "image": image}})
    assert given_in(found, "prompt", "negative_prompt", "sampler", "width") == ("a boat", "fog, rain", "Euler a", 640)


def test_fooocus_json_is_read_with_what_was_really_painted() -> None:
    made = {
        "prompt": "a cat", "full_prompt": ["a cat, cinematic", "sharp"], "negative_prompt": "fog", "seed": "12",
        "full_negative_prompt": [], "performance": "Speed", "steps": 30, "resolution": "(896, 1152)", "sharpness": 2.0,
        "guidance_scale": 4.0, "base_model": "big.safetensors", "base_model_hash": "aabbccddee",
        "refiner_model": "None",
        "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "vae": "Default (model)", "clip_skip": 2,
        "loras": [["glow.safetensors", 0.5, "00"]], "metadata_scheme": "fooocus",
    }  # fmt: skip
    for keyword in ("parameters", "UserComment"):
        found = said({keyword: made})
        assert given_in(found, "prompt", "negative_prompt") == ("a cat, cinematic, sharp <lora:glow:0.5>", "fog")
        assert given_in(found, "seed", "width", "height", "sampler") == (12, 896, 1152, "DPM++ 2M SDE")
        assert found.model == ("big", "aabbccddee")
        assert found.lost == ("Fooocus' sharpness means nothing here.",)


def test_novelais_characters_braces_and_schedule_are_read() -> None:
    made = {
        "uc": "fog", "steps": 28, "sampler": "k_euler_ancestral", "scale": 5, "seed": 5, "noise_schedule": "karras",
        "v4_prompt": {"caption": {"base_caption": "a {{boat}}", "char_captions": [{"char_caption": "a [girl]"}]}},
        "cfg_rescale": 0.25, "sm": True,
    }  # fmt: skip
    found = said({"Software": "NovelAI", "Comment": made})
    assert found.values["prompt"] == "a ((boat:1.05):1.05), a (girl:0.9524)"
    assert given_in(found, "schedule", "clip_skip", "cfg_rescale", "width") == ("Karras", 2, 0.25, 640)
    assert found.lost == ("NovelAI's sm means nothing here.",)


@pytest.mark.parametrize(
    ("read_by", "written", "meant"),
    [
        (braces, "1.3::red cat::, dog", "(red cat:1.3), dog"),
        (braces, "{a} [b} c", "(a:1.05) [b} c"),
        (compel, "state-of-the-art, a-b", "state-of-the-art, a-b"),
        (compel, "(old ship)-- sea", "(old ship:0.81) sea"),
    ],
)
def test_weights_are_written_in_a1111s_signs(read_by, written, meant) -> None:
    assert read_by(written) == meant


def test_pictures_of_nobody_known_say_nothing() -> None:
    for texts in ({}, {"prompt": "just words"}, {"prompt": "{}"}, {"workflow": '{"nodes": []}'}, {"parameters": "[]"}):
        assert translated(texts, SIZE) == ""


KEYWORDS = ("prompt", "workflow", "invokeai_metadata", "sd-metadata", "parameters", "Comment", "UserComment")
KEYS = (
    *(
        "class_type",
        "inputs",
        "nodes",
        "links",
        "id",
        "type",
        "widgets_values",
        "images",
        "samples",
        "model",
        "positive",
    ),
    *("latent_image", "text", "seed", "steps", "cfg", "width", "height", "link", "name", "base_model", "performance"),
    *("image", "loras", "prompt", "uc", "v4_prompt", "caption", "char_captions", "full_prompt", "clip_skip", "1", "2"),
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["KSampler", "SaveImage", "1", "a:b, c"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KEYWORDS), JSON, max_size=3))
@settings(derandomize=True, deadline=None, max_examples=70, database=None)
def test_no_json_breaks_the_reading(values: dict[str, Any]) -> None:
    texts = {"Software": "NovelAI", **{key: json.dumps(value) for key, value in values.items()}}
    read(translated(texts, SIZE), SCHEDULES)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["KSampler", "VAEDecode", "LatentUpscaleBy", "CLIPTextEncode", "Reroute"]),
            st.integers(0, 9),
        ),
        max_size=10,
    )
)
@settings(derandomize=True, deadline=None, max_examples=100, database=None)
def test_links_in_circles_end(kinds: list[tuple[str, int]]) -> None:
    names = ("samples", "latent_image", "model", "positive", "text", "seed", "conditioning")
    graph = {str(at): node(kind, **{name: [str(to), 0] for name in names}) for at, (kind, to) in enumerate(kinds)}
    graph["out"] = node("SaveImage", images=["0", 0])
    translated({"prompt": json.dumps(graph)}, SIZE)


def test_a_graph_of_thousands_of_nodes_costs_little() -> None:
    links = {f"conditioning{i}": [str(i), 0] for i in range(60)}
    graph = {str(at): node("Chain", width=[str(at + 1), 0], text=[str(at + 1), 0], **links) for at in range(2000)}
    graph["s"] = node(
        "KSampler", **{name: ["0", 0] for name in ("positive", "negative", "model", "latent_image", "seed", "steps")}
    )
    graph = {"out": node("SaveImage", images=["s", 0]), "s": graph.pop("s"), **graph}
    began = time.process_time()
    assert "Made with: ComfyUI" in translated({"prompt": json.dumps(graph)}, SIZE)
    assert time.process_time() - began < 3
