"""What a checkpoint says about itself in its safetensors metadata, under the key `webui.architecture`.

Shapes tell nearly everything about a network; the few things they cannot (how many attention heads share a width, how
many groups a norm has, what the network predicts) may be declared as JSON. Any file may, and whatever it leaves out
follows its family's rules. Example:

    {"native_size": 256, "prediction_type": "epsilon", "unet": {"num_attention_heads": 4, "norm_num_groups": 8},
     "vae": {"norm_num_groups": 1}, "text_encoder": {"num_attention_heads": 4, "hidden_act": "quick_gelu"},
     "preview": {"factors": [[0.3, 0.2, 0.2], ...], "bias": [0, 0, 0]},
     "recommended": {"steps": 20, "cfg_scale": 5, "sampler": "Euler a", "schedule": "Automatic"}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import UserError

KEY = "webui.architecture"

Colour = tuple[float, float, float]
Count = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class UnetFacts(_Part):
    """`num_attention_heads` None: the family's rule, 8 in SD 1 and one per 64 channels since SD 2."""

    num_attention_heads: Count | None = None
    norm_num_groups: Count = 32


class VaeFacts(_Part):
    norm_num_groups: Count = 32


class TextEncoderFacts(_Part):
    """`num_attention_heads` None: one per 64 channels, as in every published CLIP. `hidden_act` None: the
    encoder's own, "quick_gelu" in OpenAI's CLIP and "gelu" in OpenCLIP.
    """

    num_attention_heads: Count | None = None
    hidden_act: Literal["quick_gelu", "gelu"] | None = None


class Preview(_Part):
    """Latents to colours in [-1, 1]: one row (red, green, blue) per latent channel, and what is added."""

    factors: tuple[Colour, ...] = Field(min_length=1)
    bias: Colour = (0.0, 0.0, 0.0)


class Recommended(_Part):
    """Settings that suit this checkpoint. None: no opinion."""

    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    cfg_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    sampler: str | None = None
    schedule: str | None = None
    negative_prompt: str | None = None


class Declared(_Part):
    """Facts declared by one file. `native_size` in pixels; `zero_terminal_snr`: trained from pure noise on;
    `flow_shift`: a flow model's; None and absent parts: the family's rule. `use_ema`: of a UNet whose weights are there
    twice, the smoothed ones are taken.
    """

    native_size: Annotated[int, Field(ge=8, le=8192, multiple_of=8)] | None = None
    prediction_type: Literal["epsilon", "v_prediction"] | None = None
    zero_terminal_snr: bool | None = None
    flow_shift: Annotated[float, Field(gt=0, le=100)] | None = None
    use_ema: bool = False
    unet: UnetFacts = UnetFacts()
    vae: VaeFacts = VaeFacts()
    text_encoder: TextEncoderFacts = TextEncoderFacts()
    preview: Preview | None = None
    recommended: Recommended = Recommended()


def declared_facts(path: Path, metadata: Mapping[str, str]) -> Declared:
    """What the metadata of the file at `path` declares; all defaults when it declares nothing.

    Raises UserError when the declaration is not JSON of the form above.
    """
    text = metadata.get(KEY)
    if text is None:
        return Declared()
    try:
        return Declared.model_validate(json.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "all of it"
        problem = f"{place}: {first['msg']}"
    except (ValueError, RecursionError):
        problem = "not valid JSON"
    raise UserError(
        f"{path.name} describes its architecture wrongly in its metadata {KEY!r} ({problem}).",
        hint="Mend the metadata, or remove the key to have the family's rules applied.",
    )
