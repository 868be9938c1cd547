"""Work on model files in place of painting: what is to be made of which, declared once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import UserError

MODELS = "models"  # the tab that such jobs come from
CONVERT, MERGE, EXTRACT_VAE = "convert", "merge", "extract VAE"
NO_INTERPOLATION, WEIGHTED_SUM, ADD_DIFFERENCE = METHODS = ("No interpolation", "Weighted sum", "Add difference")
AS_STORED, FP8 = "", "fp8"
BOTH, PLAIN_ONLY, EMA_ONLY = "both", "plain", "ema"


class LoraDose(BaseModel):
    """A LoRA to be baked in: its file, and how much of it; the UNet gets `weight` too where `unet` is None."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    weight: float = Field(1.0, ge=-10, le=10)
    unet: float | None = Field(None, ge=-10, le=10)


class ModelWork(BaseModel):
    """A new model file. `first`, `second` and `third` are A1111's A, B and C; `kind` is what `first` is. Where it is
    queued, they, the VAE and the LoRAs are whole paths, and `target` is the new file's.

    `multiplier`: how much of B, or of the difference of B and C, comes in. `dtype` is that of the weights, "" for as
    they are in A; `ema`: which of a training checkpoint's two sets of weights are kept, `prune`: only what pictures
    need.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tool: Literal["convert", "merge", "extract VAE"]
    name: str = Field("", max_length=150)
    target: str = ""
    kind: str = "checkpoint"
    first: str
    second: str = ""
    third: str = ""
    method: Literal["No interpolation", "Weighted sum", "Add difference"] = NO_INTERPOLATION
    multiplier: float = Field(0.3, ge=-2, le=2)
    vae: str = ""
    loras: tuple[LoraDose, ...] = Field((), max_length=16)
    dtype: Literal["", "fp32", "fp16", "bf16", "fp8"] = AS_STORED
    ema: Literal["both", "plain", "ema"] = BOTH
    prune: bool = False

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> ModelWork:
        """The work that loose values describe. Raises UserError."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "The work on a model"
            raise UserError(f"{place}: {first['msg'][0].lower()}{first['msg'][1:]}.") from error

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are mixed, A first."""
        count = {WEIGHTED_SUM: 2, ADD_DIFFERENCE: 3}.get(self.method, 1)
        return (self.first, self.second, self.third)[:count]


def title(work: Mapping[str, Any]) -> str:
    """What lists call the work, as it was stored: "Merge a + b → c"; "" for none."""
    if not work:
        return ""
    asked = ModelWork.model_construct(**work)
    names = [one.replace("\\", "/").rpartition("/")[2] for one in asked.models]
    verb = {CONVERT: "Convert", EXTRACT_VAE: "Extract the VAE of"}.get(asked.tool, "Merge")
    verb = "Bake into" if verb == "Merge" and len(names) == 1 else verb
    return f"{verb} {' + '.join(names)} → {asked.name}"
