"""Says what a model file is, and why, from tensor names and shapes alone.

Each rule looks for the names that only its kind of file has. The order matters where one kind contains another: a LoRA
for a UNet bears UNet-like names, a ControlNet holds half a UNet, a checkpoint holds a VAE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from . import attachments, checkpoints
from .checkpoints import PAINTING
from .detection import Detection, Shapes
from .header import Header

SMOOTHED = "of its weights only the smoothed ones (model_ema.*) are complete, which are taken"
SOUGHT = "no UNet, VAE, text encoder, LoRA, embedding, ControlNet or upscaler keys"

RULES: tuple[Callable[[Shapes], Detection | None], ...] = (
    attachments.control_lora,
    attachments.adapters,
    attachments.lora,
    attachments.controlnet,
    attachments.motion_module,
    checkpoints.transformer_checkpoint,
    checkpoints.checkpoint,
    checkpoints.diffusers_unet,
    checkpoints.vae,
    checkpoints.text_encoder,
    attachments.hypernetwork,
    attachments.embedding,
    attachments.upscaler,
)


def detect(header: Header) -> Detection:
    """What the file is. Never raises: a file that no rule knows is "unknown", and the reason lists what was sought."""
    shapes = header.shapes
    for rule in RULES:
        found = rule(shapes)
        if found is not None:
            return replace(found, reason=f"{found.reason}; {SMOOTHED}") if header.smoothed else found
    some = ", ".join(list(shapes)[:3]) or "nothing"
    more = ", ..." if len(shapes) > 3 else ""
    return Detection("unknown", "", "", f"{SOUGHT} among {len(shapes)} tensors ({some}{more})")


__all__ = ["PAINTING", "Detection", "detect"]
