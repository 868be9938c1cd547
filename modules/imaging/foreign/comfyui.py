"""ComfyUI's pictures: the graph that was run in PNG's `prompt`, the one on the canvas in `workflow`.

From what was saved the links are followed back: to the last sampler, its prompts, its model and its latents; a sampler
behind those latents is the first pass of a hires fix.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any, Final

from ...core.sampler_names import COMFY_SCHEDULES, comfy_sampler
from .graph import Graph, Node, graph_of
from .translation import Translation, parsed, words

SAMPLERS: Final = ("KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced")
OUTPUTS: Final = ("SaveImage", "PreviewImage", "SaveAnimatedWEBP", "SaveImageWebsocket")
TEXTS: Final = ("text", "text_g", "text_l", "prompt", "t5xxl")  # inputs that hold words
MOST_WORDS: Final = 100  # nodes that a prompt is put together from
LATENT_METHODS: Final = {
    "nearest-exact": "Latent (nearest-exact)",
    "bilinear": "Latent",
    "bicubic": "Latent (bicubic)",
    "area": "Latent",
    "bislerp": "Latent",
}
# Nodes that are understood, or change nothing about the picture.
_KNOWN: Final = {
    *SAMPLERS,
    *OUTPUTS,
    *("VAEDecode", "VAEDecodeTiled", "VAEEncode", "VAEEncodeTiled", "VAELoader", "LoadImage", "Reroute", "Note"),
    *("CLIPTextEncode", "CLIPTextEncodeSDXL", "ConditioningCombine", "ConditioningConcat", "CLIPSetLastLayer"),
    *("CheckpointLoaderSimple", "CheckpointLoader", "UNETLoader", "LoraLoader", "LoraLoaderModelOnly"),
    *("EmptyLatentImage", "LatentUpscale", "LatentUpscaleBy", "RescaleCFG", "PerturbedAttentionGuidance"),
    *("KSamplerSelect", "BasicScheduler", "KarrasScheduler", "RandomNoise", "CFGGuider", "BasicGuider"),
    *("FluxGuidance", "CLIPTextEncodeFlux", "CLIPTextEncodeSD3", "ModelSamplingSD3"),
    *("PrimitiveNode", "ImageScale", "ImageScaleBy", "ImageUpscaleWithModel", "UpscaleModelLoader"),
}


def read(texts: Mapping[str, str], size: tuple[int, int]) -> Translation | None:
    """The settings in ComfyUI's graph; None when there is no graph with a sampler."""
    graph = graph_of(parsed(texts.get("prompt")), parsed(texts.get("workflow")))
    last = _last_sampler(graph) if graph else None
    if graph is None or last is None:
        return None
    found = Translation("ComfyUI")
    earlier = next((node for node in graph.upstream(graph.behind(last, "latent_image")) if node.kind in SAMPLERS), None)
    first = earlier or last
    found.prompt, found.negative = (
        _conditioning(graph, _guider(graph, first), name) for name in ("positive", "negative")
    )
    found.entries = {**_sampling(graph, first, found), "Size": _size(graph, first, size), "RNG": "CPU"}
    found.entries |= _model(graph, first, found)
    if earlier:
        found.entries |= _second_pass(graph, last, found)
    elif any(node.kind == "LoadImage" for node in graph.upstream(graph.behind(last, "latent_image"))):
        found.entries["Denoising strength"] = _denoise(graph, last)
        found.lose("It was painted from a picture, which is not in the file.")
    for node in graph.upstream(_output(graph) or last):
        if node.kind not in _KNOWN and not _only_values(node):
            found.lose(f"ComfyUI's node {node.kind[:60]} means nothing here.")
    return found


def _output(graph: Graph) -> Node | None:
    saved = [node for node in graph.nodes.values() if node.kind in OUTPUTS or "images" in node.inputs]
    return min(saved, key=lambda node: node.kind not in OUTPUTS[:1], default=None)


def _last_sampler(graph: Graph) -> Node | None:
    """The sampler nearest to what was saved; where nothing leads there, the one that no other one follows."""
    for node in graph.upstream(_output(graph)):
        if node.kind in SAMPLERS:
            return node
    samplers = [node for node in graph.nodes.values() if node.kind in SAMPLERS]
    return samplers[-1] if samplers else None


def _guider(graph: Graph, sampler: Node) -> Node:
    """Where a sampler's prompts and model are: at itself or at its guider."""
    return graph.behind(sampler, "guider") or sampler


def _sampling(graph: Graph, sampler: Node, found: Translation) -> dict[str, Any]:
    """Steps, sampler, schedule, guidance and seed, from the sampler or the nodes that its parts come from."""
    parts = [
        sampler,
        *(part for name in ("sampler", "sigmas", "noise", "guider") if (part := graph.behind(sampler, name))),
    ]

    def said(*names: str) -> Any:
        values = (graph.value(part, name) for part in parts for name in names)
        return next((value for value in values if value is not None), None)

    schedule = words(said("scheduler"))
    start, end = said("start_at_step"), said("end_at_step")
    if isinstance(start, int) and isinstance(end, int) and (start > 0 or end < 1000):
        found.lose(f"ComfyUI painted steps {start} to {end} only.")
    return {
        "Steps": said("steps"),
        "Sampler": comfy_sampler(words(said("sampler_name"))) or None,
        "Schedule type": COMFY_SCHEDULES.get(schedule, schedule) or None,
        "CFG scale": 1 if _guider(graph, sampler).kind == "BasicGuider" else said("cfg"),
        "Seed": said("seed", "noise_seed"),
    }


def _denoise(graph: Graph, sampler: Node) -> Any:
    sigmas = graph.behind(sampler, "sigmas")
    return graph.value(sigmas or sampler, "denoise")


def _size(graph: Graph, sampler: Node, size: tuple[int, int]) -> str:
    """The size of the latents that the sampler began with; the picture's where they came from a picture."""
    for node in graph.upstream(graph.behind(sampler, "latent_image")):
        sides = graph.value(node, "width"), graph.value(node, "height")
        if "Empty" in node.kind and all(isinstance(side, int) for side in sides):
            return "{}x{}".format(*sides)
    return "{}x{}".format(*size)


def _conditioning(graph: Graph, node: Node, name: str) -> str:
    """The prompt behind an input: joined by AND and BREAK where ComfyUI combines and concatenates."""
    source = graph.behind(node, name) or (graph.behind(node, "conditioning") if name == "positive" else None)
    return _words(graph, source, set())


def _words(graph: Graph, node: Node | None, seen: set[str]) -> str:
    if node is None or node.id in seen or len(seen) > MOST_WORDS:
        return ""
    seen.add(node.id)
    texts = [words(graph.value(node, name)) for name in TEXTS if name in node.inputs]
    if any(texts):
        return ", ".join(dict.fromkeys(filter(None, texts)))
    inner = [_words(graph, graph.behind(node, name), seen) for name in node.inputs if name.startswith("cond")]
    inner = inner or [_words(graph, graph.behind(node, "positive"), seen)]
    return {"ConditioningCombine": " AND ", "ConditioningConcat": " BREAK "}.get(node.kind, ", ").join(
        filter(None, inner)
    )


def _model(graph: Graph, sampler: Node, found: Translation) -> dict[str, Any]:
    """Checkpoint, VAE, clip skip and what was put into the model; LoRAs go into the prompt."""
    guider = _guider(graph, sampler)
    entries: dict[str, Any] = {}
    tags = []
    for node in graph.upstream(graph.behind(guider, "model")):
        value = {name: graph.value(node, name) for name in node.inputs}
        name = words(value.get("ckpt_name") or value.get("unet_name"))
        if name:
            entries.setdefault("Model", _stem(name))
        elif "lora_name" in value and words(value["lora_name"]) != "None":
            weights = [value.get("strength_clip", value.get("strength_model")), value.get("strength_model")]
            tags.append(f" <lora:{_stem(words(value['lora_name']))}:{_weights(weights)}>")
        elif node.kind == "RescaleCFG":
            entries["CFG Rescale"] = value.get("multiplier")
        elif node.kind == "PerturbedAttentionGuidance":
            entries["PAG scale"] = value.get("scale")
        elif node.kind == "ModelSamplingSD3":
            entries["Shift"] = value.get("shift")
    for node in graph.upstream(graph.behind(guider, "positive") or graph.behind(guider, "conditioning")):
        if node.kind == "CLIPSetLastLayer" and isinstance(layer := graph.value(node, "stop_at_clip_layer"), int):
            entries.setdefault("Clip skip", -layer)
        if node.kind in ("FluxGuidance", "CLIPTextEncodeFlux"):
            entries.setdefault("Distilled CFG Scale", graph.value(node, "guidance"))
    for node in graph.upstream(_output(graph)):
        if node.kind == "VAELoader":
            entries.setdefault("VAE", _stem(words(graph.value(node, "vae_name"))))
    found.prompt += "".join(reversed(tags))
    return entries


def _second_pass(graph: Graph, sampler: Node, found: Translation) -> dict[str, Any]:
    """The entries of a hires fix: how the first picture was enlarged, and how it was painted over."""
    said = _sampling(graph, sampler, found)
    entries = {
        "Hires steps": said["Steps"],
        "Hires sampler": said["Sampler"],
        "Hires schedule type": said["Schedule type"],
        "Hires CFG Scale": said["CFG scale"],
        "Denoising strength": _denoise(graph, sampler),
        "Hires upscaler": "Latent",
    }
    for node in graph.upstream(graph.behind(sampler, "latent_image")):
        sides = graph.value(node, "width"), graph.value(node, "height")
        if node.kind in SAMPLERS:
            break
        if node.kind in ("LatentUpscale", "LatentUpscaleBy"):
            entries["Hires upscaler"] = LATENT_METHODS.get(words(graph.value(node, "upscale_method")), "Latent")
        if node.kind == "UpscaleModelLoader":
            entries["Hires upscaler"] = _stem(words(graph.value(node, "model_name")))
        if "scale_by" in node.inputs:
            entries["Hires upscale"] = graph.value(node, "scale_by")
        elif "cale" in node.kind and all(isinstance(side, int) and side > 0 for side in sides):
            entries["Hires resize"] = "{}x{}".format(*sides)
    if not {"Hires upscale", "Hires resize"} & set(entries):
        entries["Hires upscale"] = 1
    return entries


def _weights(weights: list[Any]) -> str:
    """`0.8`, or `0.8:0.6` where the text encoder (first) has another one than the denoiser."""
    plain = [f"{weight:g}" if isinstance(weight, int | float) else "1" for weight in weights]
    return ":".join(dict.fromkeys(plain))


def _stem(path: str) -> str:
    return PureWindowsPath(path).name.rsplit(".", 1)[0]


def _only_values(node: Node) -> bool:
    """Whether a node brings nothing but numbers and words, which are read where they go to."""
    return not any(isinstance(value, list) for value in node.inputs.values())
