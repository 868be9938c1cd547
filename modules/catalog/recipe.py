"""What a new model file says, in its metadata, about how it was made: A1111's keys where it has some, and all of it
under ours. What the files said that it is made of, and what was found out about them, goes along.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.model_work import MERGE, NO_INTERPOLATION, ModelWork
from .beside import stem_of
from .declared import KEY
from .folders import known_by
from .hashing import short_hash
from .outcome import Source
from .recognise import PREDICTION, TITLE

OURS = "easel.recipe"
RECIPE, MODELS = "sd_merge_recipe", "sd_merge_models"  # A1111's
MERGED_FROM = "modelspec.merged_from"
OF_THE_NUMBERS = ("modelspec.hash_sha256", "sshs_model_hash", "sshs_legacy_hash")  # other numbers have other hashes
Hashes = Mapping[Path, str]


def metadata_of(work: ModelWork, models: Sequence[Source], hashes: Hashes) -> dict[str, str]:
    """The new file's metadata. `hashes`: the SHA-256 of every file that it is made of."""
    first = models[0]
    told = {name: value for name, value in first.header.metadata.items() if name not in OF_THE_NUMBERS}
    told |= {"format": "pt", OURS: json.dumps(_ours(work, hashes))}
    declared = first.declared.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    if declared:
        told[KEY] = json.dumps(declared)
    if first.declared.prediction_type:
        told[PREDICTION] = {"v_prediction": "v"}.get(first.declared.prediction_type, first.declared.prediction_type)
    if work.tool == MERGE:
        told |= {TITLE: work.name, **_a1111s(work, models, hashes)}
        told |= {MERGED_FROM: ", ".join(stem_of(Path(one)) for one in work.models)} if len(models) > 1 else {}
    return told


def _ours(work: ModelWork, hashes: Hashes) -> dict[str, Any]:
    def named(path: str) -> dict[str, str]:
        return {"name": Path(path).name, "hash": short_hash(hashes[Path(path)])}

    recipe: dict[str, Any] = {"tool": work.tool, "sources": [named(path) for path in work.models]}
    if work.tool == MERGE:
        recipe["method"] = work.method
        if work.method != NO_INTERPOLATION:
            recipe["multiplier"] = work.multiplier
    if work.vae:
        recipe["vae"] = named(work.vae)
    if work.loras:
        recipe["loras"] = [{**named(one.name), "weight": one.weight, "unet": one.unet} for one in work.loras]
    return recipe | {"dtype": work.dtype or "as stored", "ema": work.ema, "prune": work.prune}


def _a1111s(work: ModelWork, models: Sequence[Source], hashes: Hashes) -> dict[str, str]:
    """What A1111's checkpoint merger writes, with what merged sources say themselves."""
    paths = [Path(path) for path in work.models]
    shas: list[str | None] = [hashes[path] for path in paths]
    primary, secondary, tertiary = (*shas, None, None, None)[:3]
    variant = models[0].detection.variant
    recipe = {
        "type": "webui",
        "primary_model_hash": primary,
        "secondary_model_hash": secondary,
        "tertiary_model_hash": tertiary,
        "interp_method": work.method,
        "multiplier": work.multiplier,
        "save_as_half": work.dtype == "fp16",
        "custom_name": work.name,
        "config_source": 0,
        "bake_in_vae": Path(work.vae).name if work.vae else "None",
        "discard_weights": "",
        "is_inpainting": variant == "inpainting",
        "is_instruct_pix2pix": variant == "pix2pix",
    }
    known: dict[str, Any] = {}
    for path, one in zip(paths, models, strict=True):
        its = {"name": path.name, "legacy_hash": legacy_hash(path), "sd_merge_recipe": _json(one, RECIPE)}
        known[hashes[path]] = its
        known |= _json(one, MODELS) or {}
    return {RECIPE: json.dumps(recipe), MODELS: json.dumps(known)}


def legacy_hash(path: Path) -> str:
    """The eight digits by which A1111 once named checkpoints: of 64 KiB in the middle of nowhere; of a folder's UNet's
    file.
    """
    with known_by(path).open("rb") as file:
        file.seek(1 << 20)
        return hashlib.sha256(file.read(1 << 16)).hexdigest()[:8]


def _json(one: Source, key: str) -> dict[str, Any] | None:
    """A table in a file's metadata; None when it has none that can be read."""
    try:
        found = json.loads(one.header.metadata.get(key, "null"))
    except (ValueError, RecursionError):
        return None  # a foreign remark, which is only passed on
    return found if isinstance(found, dict) else None
