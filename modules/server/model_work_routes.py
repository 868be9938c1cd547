"""New model files made of others over HTTP: what would come of it, and the jobs that make them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from ..core.errors import UserError
from ..core.model_work import CONVERT, EXTRACT_VAE, MERGE, MODELS
from ..studio import Studio
from .answers import Json
from .jobs_routes import Sent


def model_work_router(studio: Studio) -> APIRouter:
    router = APIRouter(prefix="/api/models/make")

    def queued(tool: str, values: dict[str, Any]) -> Json:
        owner = str(values.pop("owner", ""))
        job = studio.submit({"model_work": {**values, "tool": tool}}, MODELS, owner)
        return Json(studio.jobs_json([job])[0])

    @router.post("/plan")
    def plan(values: Sent) -> Json:
        """What would come of making a model: the new file's `name`, its `file`, its `size` and what its disk has
        `free`, in bytes; `ema`: whether there are EMA weights to choose; or, as no error, the `message` and `hint` of
        why it cannot be made. `tool` is "convert", "merge" or "extract VAE", all else as below.
        """
        try:
            return Json(studio.model_order(values).as_json())
        except UserError as refused:
            return Json({"message": refused.message, "hint": refused.hint})

    @router.post("/convert")
    def convert(values: Sent) -> Json:
        """Queues the writing of a model as safetensors; answers with the job. `first` is its name, `kind` what it is
        (checkpoint, VAE, LoRA, embedding, upscaler). `dtype`: "fp32", "fp16", "bf16", "fp8" (the UNet alone, the rest
        in fp16), or "" as stored; `ema`: "both", "plain" or "ema"; `prune`: only what pictures need; `name`: the new
        file's, without ending.
        """
        return queued(CONVERT, values)

    @router.post("/merge")
    def merge(values: Sent) -> Json:
        """Queues the merging of checkpoints; answers with the job. `method`: "Weighted sum" of `first` and `second`,
        A * (1 - M) + B * M; "Add difference", A + (B - C) * M with `third`; or "No interpolation". `multiplier` is M.
        `vae` and `loras` ([{name, weight, unet}]) are baked in; `dtype`, `ema` ("plain" or "ema"), `prune` and `name`
        as in convert.
        """
        return queued(MERGE, values)

    @router.post("/vae")
    def extract_vae(values: Sent) -> Json:
        """Queues the taking of the VAE out of the checkpoint `first`; answers with the job. `dtype` and `name` as in
        convert.
        """
        return queued(EXTRACT_VAE, values)

    return router
