"""Tells what is attached to checkpoints: LoRAs, embeddings, ControlNets and their kin; and upscalers."""

from __future__ import annotations

from .detection import CONTEXT_FAMILIES, Detection, Shapes, context_family, first, size

LORA_DOWN = (".lora_down.weight", ".lora_A.weight", ".lora_A.default.weight", "_lora.down.weight", ".lora.down.weight")
LORA_DOWN += (".lora_linear_layer.down.weight",)
DECOMPOSED = (".dora_scale", ".lora_magnitude_vector", ".lora_magnitude_vector.weight")
# In this order: files of the later forms hold tensors that look like those of the last ones.
LORA_FORMS = {
    "LoHa": (".hada_w1_a",),
    "LoKr": (".lokr_w1", ".lokr_w1_a"),
    "GLoRA": (".a1.weight",),
    "IA3": (".on_input", ".ia3_l"),
    "OFT": (".oft_blocks", ".oft_diag", ".oft_R.weight"),
    "BOFT": (".boft_R",),
    "LoRA": LORA_DOWN,
    "full difference": (".diff",),
    "norms": (".w_norm",),
}
EMBEDDING_FAMILIES = {768: "sd1", 1024: "sd2", 1280: "sdxl"}
CONTROL_MARKS = ("control_model.input_hint_block.", "input_hint_block.", "controlnet_cond_embedding.")
CONTROL_MARKS += ("controlnet_blocks.", "controlnet_x_embedder.", "pos_embed_input.")
HYPERNETWORK_WIDTHS = (320, 640, 768, 1024, 1280)
UPSCALERS = {  # the network that a tensor's name gives away, below `params_ema.` and the like
    "ESRGAN": ("model.1.sub.0.RDB1.", "body.0.rdb1.", "RRDB_trunk.0.RDB1."),
    "HAT": ("layers.0.residual_group.blocks.0.conv_block.",),
    "SwinIR": ("layers.0.residual_group.blocks.0.",),
    "DAT": ("layers.0.blocks.0.attn.attns.0.",),
    "OmniSR": ("residual_layer.0.residual_layer.",),
    "SPAN": ("block_1.c1_r.",),
    "PLKSR": ("feats.1.lk.",),
    "ScuNET": ("m_head.0.", "m_down1.0."),
}
FACE_RESTORERS = {
    "GFPGAN": ("stylegan_decoder.", "conv_body_first."),
    "CodeFormer": ("quantize.embedding.", "ft_layers.0."),
}
WRAPPINGS = ("params_ema.", "params.", "params-ema.", "state_dict.", "model_state_dict.", "netG.")


def lora(shapes: Shapes) -> Detection | None:
    for form, endings in LORA_FORMS.items():
        name = next((name for name in shapes if name.endswith(endings)), None)
        if name is not None:
            variant = _finer_form(form, shapes)
            return Detection("LoRA", _lora_family(shapes), variant, f"{variant} tensors such as {name}")
    return None


def _finer_form(form: str, shapes: Shapes) -> str:
    """LoCon changes convolutions too, DoRA has magnitudes, BOFT rotates by several factors (a fourth axis)."""
    if form == "LoRA" and any(name.endswith(DECOMPOSED) for name in shapes):
        return "DoRA"
    if form == "LoRA" and any(_is_convolution(name, shape) for name, shape in shapes.items()):
        return "LoCon"
    if form == "OFT" and any(name.endswith(".oft_blocks") and len(shape) == 4 for name, shape in shapes.items()):
        return "BOFT"
    return form


def _is_convolution(name: str, shape: tuple[int, ...]) -> bool:
    return name.endswith(".lora_mid.weight") or (name.endswith(LORA_DOWN) and len(shape) == 4 and shape[2] > 1)


def _lora_family(shapes: Shapes) -> str:
    if any(mark in name for name in shapes for mark in ("double_blocks", "single_blocks", "single_transformer_blocks")):
        return "flux"
    if any("joint_blocks" in name for name in shapes):
        return "sd3"
    if any(name.startswith(("lora_te1_", "lora_te2_", "text_encoder_2.")) for name in shapes):
        return "sdxl"
    for name, shape in shapes.items():
        if "attn2" in name and "to_k" in name and name.endswith((*LORA_DOWN, ".hada_w1_b", ".hada_w2_b")):
            return CONTEXT_FAMILIES.get(shape[1], "") if len(shape) > 1 else ""
    if any("_input_blocks_8_1_transformer_blocks_9_" in name for name in shapes):  # only SDXL is ten blocks deep there
        return "sdxl"
    return ""


def control_lora(shapes: Shapes) -> Detection | None:
    if "lora_controlnet" in shapes:
        return Detection(
            "ControlNet", _control_lora_family(shapes), "Control-LoRA", "the marker tensor lora_controlnet"
        )
    name = first(shapes, ("lllite_unet_",))
    return Detection("ControlNet", "sdxl", "ControlLLLite", f"tensors such as {name}") if name else None


def _control_lora_family(shapes: Shapes) -> str:
    """Control-LoRAs keep the context's width in the `down` half of attention to the text."""
    width = next((shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.down") and len(shape) > 1), 0)
    return CONTEXT_FAMILIES.get(width, "") or context_family(shapes)


def controlnet(shapes: Shapes) -> Detection | None:
    name = first(shapes, CONTROL_MARKS)
    if name is None:
        return None
    family, variant = context_family(shapes), ""
    if "transformer_blocks.0.attn.add_k_proj.weight" in shapes or "double_blocks.0.img_attn.qkv.weight" in shapes:
        family = "sd3" if "pos_embed.proj.weight" in shapes else "flux"
    if "task_embedding" in shapes or first(shapes, ("control_add_embedding.",)):
        variant = "union"
    return Detection("ControlNet", family, variant, f"hint layers such as {name}")


def adapters(shapes: Shapes) -> Detection | None:
    if first(shapes, ("ip_adapter.",)):
        return _ip_adapter(shapes)
    if first(shapes, ("id_encoder.",)) and first(shapes, ("lora_weights.",)):
        return Detection("IP-Adapter", "sdxl", "PhotoMaker", "id_encoder and lora_weights keys")
    marks = ("adapter.body.", "body.0.resnets.", "body.0.block1.", "body.0.body.0.block1.", "transformer_layes.0.")
    name = first(shapes, marks)
    if name is None:
        return None
    widths = {size(shapes, f"{prefix}conv_in.weight", 1) for prefix in ("", "adapter.")}
    family = "sdxl" if 768 in widths else "sd1" if widths & {64, 192} else ""
    return Detection("T2I-Adapter", family, "", f"adapter blocks such as {name}")


def _ip_adapter(shapes: Shapes) -> Detection:
    width = next((shape[1] for name, shape in shapes.items() if name.endswith("to_k_ip.weight") and len(shape) > 1), 0)
    variant = "plus" if first(shapes, ("image_proj.latents", "image_proj.perceiver")) else ""
    if any(name.endswith(("_lora.down.weight", "to_q_lora.up.weight")) for name in shapes):
        variant = "FaceID"
    return Detection("IP-Adapter", CONTEXT_FAMILIES.get(width, ""), variant, f"ip_adapter keys, text width {width}")


def motion_module(shapes: Shapes) -> Detection | None:
    name = next((name for name in shapes if ".motion_modules." in name), None)
    return Detection("motion module", "", "AnimateDiff", f"layers over time such as {name}") if name else None


def embedding(shapes: Shapes) -> Detection | None:
    if {"clip_l", "clip_g"} <= shapes.keys():
        return Detection("embedding", "sdxl", "", "a pair of embeddings, clip_l and clip_g")
    name = "emb_params" if "emb_params" in shapes else first(shapes, ("string_to_param.",))
    if name is None and len(shapes) == 1:
        name = next(iter(shapes))
    if name is None or len(shapes[name]) not in (1, 2) or shapes[name][-1] not in EMBEDDING_FAMILIES:
        return None
    width = shapes[name][-1]
    return Detection("embedding", EMBEDDING_FAMILIES[width], "", f"vectors of width {width} called {name}")


def hypernetwork(shapes: Shapes) -> Detection | None:
    """A1111's: for each width of attention two small networks, of keys and of values."""
    for width in HYPERNETWORK_WIDTHS:
        pair = [first(shapes, (f"{width}.{number}.linear",)) for number in (0, 1)]
        if all(pair):
            family = "sd1" if any(name.startswith("768.") for name in shapes) else ""
            return Detection("hypernetwork", family, "", f"pairs of small networks such as {pair[0]}")
    return None


def upscaler(shapes: Shapes) -> Detection | None:
    for prefix in ("", *WRAPPINGS):
        for kind, networks in (("upscaler", UPSCALERS), ("face restorer", FACE_RESTORERS)):
            for network, marks in networks.items():
                if name := first(shapes, tuple(prefix + mark for mark in marks)):
                    return Detection(kind, "", network, f"{network}'s layers such as {name}")
        if _is_compact(shapes, prefix):
            return Detection("upscaler", "", "Real-ESRGAN compact", f"convolutions and slopes from {prefix}body.0 on")
    return None


def _is_compact(shapes: Shapes, prefix: str) -> bool:
    """A chain of convolutions with learnt slopes between them, beginning at a picture of three colours."""
    chain = [shapes.get(f"{prefix}body.{number}.weight", ()) for number in range(3)]
    return len(chain[0]) == 4 and chain[0][1] == 3 and len(chain[1]) == 1 and len(chain[2]) == 4
