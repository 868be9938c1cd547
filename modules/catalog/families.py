"""The families of diffusion models, as plain facts. A new family is a row here and a file in weights/families."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Family:
    """What all checkpoints of a family share unless a file's metadata says otherwise.

    `latent_scale` and `latent_shift`: latents = (encoded - shift) * scale. `latent_factor`: pixels per latent.
    `prediction`: what the network gives, "epsilon", "v_prediction" or "flow". `betas`: first and last variance of the
    scaled-linear schedule over `training_steps`. `flow_shift`: how far the times of a flow model are shifted toward
    noise, `guided_flow_shift` of its networks that are told a guidance scale (0: none are); `flow_schedule`: the
    schedule type that its makers sample with. `preview_factors`: one row (red, green, blue) per latent channel, which
    with `preview_bias` turns latents into colours in [-1, 1]; empty where no fit is known. `unet_heads`: attention
    heads at every width; 0 for one per 64 channels. `clip_skip`: the text encoder's layer, from the end, that the
    family was trained on; prompts may take an earlier one. `overflows_fp16`: its networks make numbers too large for
    fp16. `loadable`: weights/families has a file for it.
    """

    id: str
    name: str
    native_size: int
    latent_channels: int
    latent_scale: float
    preview_factors: tuple[tuple[float, float, float], ...]
    preview_bias: tuple[float, float, float] = (0.0, 0.0, 0.0)
    latent_shift: float = 0.0
    latent_factor: int = 8
    prediction: str = "epsilon"
    betas: tuple[float, float] = (0.00085, 0.012)
    training_steps: int = 1000
    flow_shift: float = 1.0
    guided_flow_shift: float = 0.0
    flow_schedule: str = "Simple"
    unet_heads: int = 0
    clip_skip: int = 1
    overflows_fp16: bool = False
    loadable: bool = False


# Published least-squares fits of scaled latents to the colours of their decoded pictures.
SD1_PREVIEW = ((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473))
SDXL_PREVIEW = (
    (0.392, 0.4054, 0.4549),
    (-0.2634, -0.0196, 0.0653),
    (0.0568, 0.1687, -0.0755),
    (-0.3112, -0.2359, -0.2076),
)
SD3_PREVIEW = (
    (-0.0922, -0.0175, 0.0749),
    (0.0311, 0.0633, 0.0954),
    (0.1994, 0.0927, 0.0458),
    (0.0856, 0.0339, 0.0902),
    (0.0587, 0.0272, -0.0496),
    (-0.0006, 0.1104, 0.0309),
    (0.0978, 0.0306, 0.0427),
    (-0.0042, 0.1038, 0.1358),
    (-0.0194, 0.002, 0.0669),
    (-0.0488, 0.013, -0.0268),
    (0.0922, 0.0988, 0.0951),
    (-0.0278, 0.0524, -0.0542),
    (0.0332, 0.0456, 0.0895),
    (-0.0069, -0.003, -0.081),
    (-0.0596, -0.0465, -0.0293),
    (-0.1448, -0.1463, -0.1189),
)
FLUX_PREVIEW = (
    (-0.0346, 0.0244, 0.0681),
    (0.0034, 0.021, 0.0687),
    (0.0275, -0.0668, -0.0433),
    (-0.0174, 0.016, 0.0617),
    (0.0859, 0.0721, 0.0329),
    (0.0004, 0.0383, 0.0115),
    (0.0405, 0.0861, 0.0915),
    (-0.0236, -0.0185, -0.0259),
    (-0.0245, 0.025, 0.118),
    (0.1008, 0.0755, -0.0421),
    (-0.0515, 0.0201, 0.0011),
    (0.0428, -0.0012, -0.0036),
    (0.0817, 0.0765, 0.0749),
    (-0.1264, -0.0522, -0.1103),
    (-0.028, -0.0881, -0.0499),
    (-0.1262, -0.0982, -0.0778),
)

_ROWS = (
    Family("sd1", "SD 1.x", 512, 4, 0.18215, SD1_PREVIEW, unet_heads=8, loadable=True),
    Family("sd2", "SD 2.x", 768, 4, 0.18215, SD1_PREVIEW, prediction="v_prediction", clip_skip=2, loadable=True),
    Family("sdxl", "SDXL", 1024, 4, 0.13025, SDXL_PREVIEW, clip_skip=2, loadable=True),
    Family(
        "sd3",
        "SD 3",
        1024,
        16,
        1.5305,
        SD3_PREVIEW,
        (0.2394, 0.2135, 0.1925),
        latent_shift=0.0609,
        prediction="flow",
        flow_shift=3.0,
        flow_schedule="Normal",
        clip_skip=2,
        overflows_fp16=True,
        loadable=True,
    ),
    Family(
        "flux",
        "FLUX",
        1024,
        16,
        0.3611,
        FLUX_PREVIEW,
        (-0.0329, -0.0718, -0.0851),
        latent_shift=0.1159,
        prediction="flow",
        guided_flow_shift=math.exp(1.15),
        overflows_fp16=True,
        loadable=True,
    ),
)

FAMILIES = MappingProxyType({family.id: family for family in _ROWS})
UNGUIDED = "schnell"  # the variant that is not told a guidance scale, of a family whose others are


def is_told_guidance(family_id: str, variant: str) -> bool:
    """Whether such a checkpoint's network is told a guidance scale that it was distilled for."""
    family = FAMILIES.get(family_id)
    return bool(family and family.guided_flow_shift) and variant != UNGUIDED


def is_flow(family_id: str) -> bool:
    """Whether such a checkpoint is a flow model."""
    family = FAMILIES.get(family_id)
    return bool(family) and family.prediction == "flow"
