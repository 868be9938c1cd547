"""SD 3, SD 3.5 and FLUX at their true widths with few blocks, and the files that hold their text encoders and VAEs.

Every tensor's name, shape and kind of number is the published file's; so is what lies inside and what in files apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.catalog import architectures as made

from .files import Made, Table, kept

T5_LAYERS = 2  # of 24
ENCODERS = ("clip_l", "clip_g", "t5xxl")


def _apart(*names: str, t5: str = "F16") -> Mapping[str, Table]:
    """Files of a models folder."""
    shapes = {"clip_l": made.clip_l(), "clip_g": made.clip_g(), "t5xxl": made.t5(layers=T5_LAYERS)}
    kinds = {"clip_l": "F16", "clip_g": "F16", "t5xxl": t5}
    found = {f"text_encoder/{name}.safetensors": kept(shapes[name], kinds[name]) for name in ENCODERS if name in names}
    return found | ({"VAE/ae.safetensors": kept(made.vae_of_16(), "F32")} if "ae" in names else {})


def _sd3(shapes: Mapping[str, tuple[int, ...]], *inside: str, t5: str = "F16") -> Table:
    """A file of Stability AI's: the transformer, the VAE, and those text encoders that are inside."""
    table = kept(shapes, "F16") | kept({made.VAE + name: shape for name, shape in made.vae_of_16().items()}, "F16")
    for path, part in _apart(*inside, t5=t5).items():
        name = path.removeprefix("text_encoder/").removesuffix(".safetensors")
        table |= {f"text_encoders.{name}.transformer.{one}": entry for one, entry in part.items()}
    return table


FLOW_FILES = (
    Made(
        "sd3_medium_incl_clips_t5xxlfp8.safetensors",
        "sd3 medium",
        _sd3(made.sd3(blocks=2), *ENCODERS, t5="F8_E4M3"),
        cut="2 of 24 blocks, 2 of T5's 24",
    ),
    Made(
        "sd3.5_large.safetensors",
        "sd3.5 large",
        _sd3(made.sd3(blocks=2, width=2432, normed=True)),
        apart=_apart(*ENCODERS),
        cut="2 of 38 blocks, 2 of T5's 24",
    ),
    Made(
        "sd3.5_medium.safetensors",
        "sd3.5 medium",
        _sd3(made.sd3(blocks=4, normed=True, twice=2, places=384)),
        apart=_apart("clip_l", "clip_g"),
        cut="4 of 24 blocks, 2 that attend twice; without T5",
    ),
    Made(
        "flux1-dev.safetensors",
        "flux dev",
        kept(made.flux(double=2, single=2), "BF16"),
        apart=_apart("clip_l", "t5xxl", "ae"),
        cut="2 of 19 and 2 of 38 blocks, 2 of T5's 24",
    ),
    Made(
        "flux1-schnell.safetensors",
        "flux schnell",
        kept(made.flux(guided=False, double=2, single=2), "BF16"),
        apart=_apart("clip_l", "t5xxl", "ae", t5="F8_E4M3"),
        cut="2 of 19 and 2 of 38 blocks, 2 of T5's 24, which is fp8",
    ),
)
