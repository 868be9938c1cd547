"""The families of diffusion models, as plain facts. A new family is a row here and a file in weights/families."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Family:
    """What all checkpoints of a family share unless a file's metadata says otherwise.

    `latent_scale` and `latent_shift`: latents = (encoded - shift) * scale. `latent_factor`: pixels per latent.
    `prediction`: what the network gives, "epsilon", "v_prediction" or "flow". `betas`: first and last variance of the
    scaled-linear schedule over `training_steps`. `preview_factors`: one row (red, green, blue) per latent channel,
    which with `preview_bias` turns latents into colours in [-1, 1]; empty where no fit is known. `unet_heads`:
    attention heads at every width; 0 for one per 64 channels. `clip_skip`: the text encoder's layer, from the end, that
    the family was trained on; prompts may take an earlier one. `loadable`: weights/families has a file for it.
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
    unet_heads: int = 0
    clip_skip: int = 1
    loadable: bool = False


# Published least-squares fits of scaled latents to the colours of their decoded pictures.
SD1_PREVIEW = ((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473))
SDXL_PREVIEW = (
    (0.392, 0.4054, 0.4549),
    (-0.2634, -0.0196, 0.0653),
    (0.0568, 0.1687, -0.0755),
    (-0.3112, -0.2359, -0.2076),
)

_ROWS = (
    Family("sd1", "SD 1.x", 512, 4, 0.18215, SD1_PREVIEW, unet_heads=8, loadable=True),
    Family("sd2", "SD 2.x", 768, 4, 0.18215, SD1_PREVIEW, prediction="v_prediction", clip_skip=2, loadable=True),
    Family("sdxl", "SDXL", 1024, 4, 0.13025, SDXL_PREVIEW, clip_skip=2, loadable=True),
    Family("sd3", "SD 3", 1024, 16, 1.5305, (), latent_shift=0.0609, prediction="flow"),
    Family("flux", "FLUX", 1024, 16, 0.3611, (), latent_shift=0.1159, prediction="flow"),
)

FAMILIES = MappingProxyType({family.id: family for family in _ROWS})
