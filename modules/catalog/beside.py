"""The small files that A1111 and its extensions keep beside a model, under the same name with other endings.

`x.json` holds what the user wrote about x, `x.civitai.info` what its page says, `x.yaml` how it was trained, `x.png` or
`x.preview.png` what it paints. Whatever stands in them that means nothing here is kept when they are written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import UserError
from ..core.files import write_atomically
from .declared import Recommended
from .pickles import SUFFIXES

ZERO_SNR = ("rescale_betas_zero_snr", "zero_terminal_snr", "zsnr", "ztsnr")  # a `.yaml`'s words for the same
LARGEST = 16 << 20  # bytes
OURS = "easel"  # the key under which x.json holds what A1111 has no name for
ENDINGS = (".safetensors", *SUFFIXES, ".png", ".webp", ".jxl", ".avif")  # of models, embeddings in pictures too
PREVIEWS = tuple(f"{dot}{ending}" for ending in ("png", "jpg", "jpeg", "webp", "gif") for dot in (".preview.", "."))
COMPANIONS = (".json", ".civitai.info", ".yaml", ".txt", ".metadata.json", *PREVIEWS)


class Override(BaseModel):
    """What the user knows better than the rules; "" and None: nothing."""

    model_config = ConfigDict(frozen=True, extra="allow")

    family: Literal["", "sd1", "sd2", "sdxl", "sd3", "flux"] = ""
    variant: str = Field("", max_length=40)
    prediction_type: Literal["epsilon", "v_prediction"] | None = None
    zero_terminal_snr: bool | None = None
    use_ema: bool | None = None
    native_size: int | None = Field(None, ge=8, le=8192, multiple_of=8)
    recommended: Recommended = Recommended()


class Card(BaseModel):
    """What `x.json` says, by A1111's names. Its "vae" is the VAE that the user prefers for a checkpoint."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    description: str = ""
    notes: str = ""
    sd_version: str = Field("", alias="sd version")
    trigger_words: str = Field("", alias="activation text")
    negative_text: str = Field("", alias="negative text")
    preferred_weight: float = Field(0.0, alias="preferred weight", allow_inf_nan=False)
    vae: str = ""
    own: Override = Field(Override(), alias=OURS)
    problem: str = ""


EMPTY = Card()


def stem_of(model: Path) -> str:
    """A model's name without its ending; the whole name of a folder, where what follows a dot is no ending."""
    return model.stem if model.suffix.lower() in ENDINGS else model.name


def beside(model: Path, ending: str) -> Path:
    return model.with_name(stem_of(model) + ending)


def read_card(model: Path) -> Card:
    """What the user wrote about a model. What cannot be read counts as not written, and is the card's `problem`: other
    programs write such files too, and a model is not worse for them.
    """
    try:
        content = _table(beside(model, ".json"))
    except UserError as error:
        return Card(problem=error.message)
    try:
        return Card.model_validate({**content, "problem": ""}) if content else EMPTY
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors()}
        problem = f"{stem_of(model)}.json says something of {', '.join(sorted(wrong))} that is not understood."
        understood = {name: value for name, value in content.items() if name not in wrong}
        return Card.model_validate({**understood, "problem": problem})


def write_card(model: Path, changes: Mapping[str, Any]) -> Card:
    """Changes what the user wrote; `changes` by A1111's names, ours below "easel". All else in the file stays.

    Raises UserError, and writes nothing, when the file there cannot be read or the outcome would be no card.
    """
    path = beside(model, ".json")
    content = _table(path)
    ours = {**_object(content.get(OURS)), **_object(changes.get(OURS))}
    changed = {**content, **changes, **({OURS: ours} if ours else {})}
    try:
        Card.model_validate({name: value for name, value in changed.items() if name in changes})
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}.") from error
    if changed != content:
        _write(path, changed)
    return read_card(model)


def read_civitai(model: Path) -> dict[str, Any]:
    """What a model's page said when it was downloaded; {} when nobody kept that, or it cannot be read."""
    try:
        return _table(beside(model, ".civitai.info"))
    except UserError:
        return {}  # a foreign cache: its loss costs only what a list shows


def trained_words(civitai: Mapping[str, Any]) -> list[str]:
    words = civitai.get("trainedWords")
    return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []


def write_trained_words(model: Path, words: list[str]) -> None:
    """Tells the kept page, where there is one, of other trigger words. Raises UserError."""
    path = beside(model, ".civitai.info")
    content = _table(path)
    if content and trained_words(content) != words:
        _write(path, {**content, "trainedWords": words})


def preview_of(model: Path, names: Collection[str] | None = None) -> Path | None:
    """The picture beside a model, A1111's order of endings; `names`: what is in the folder, where that is known."""
    stem = stem_of(model)
    for ending in PREVIEWS:
        name = stem + ending
        if name in names if names is not None else model.with_name(name).is_file():
            return model.with_name(name)
    return None


def companions(model: Path) -> list[Path]:
    """The files that belong to a model and go where it goes."""
    return [path for ending in COMPANIONS if (path := beside(model, ending)).is_file()]


class Training(BaseModel):
    """The facts of a checkpoint's `.yaml` that its tensors do not tell. `heads`: of attention, in the UNet. `use_ema`:
    the smoothed weights are taken where the file has them beside the others.
    """

    model_config = ConfigDict(frozen=True)

    prediction_type: Literal["epsilon", "v_prediction"] | None = None
    zero_terminal_snr: bool | None = None
    use_ema: bool | None = None
    heads: int | None = Field(None, ge=1, le=1024)


def read_training(model: Path) -> Training:
    """What the `.yaml` beside a checkpoint says, in the form that CompVis gave it. Raises UserError when it is there
    and is not YAML, or says what cannot be.
    """
    path = beside(model, ".yaml")
    text = _text(path)
    if text is None:
        return Training()
    try:
        content = yaml.safe_load(text)
        params = _object(_object(_object(content).get("model")).get("params"))
        told = params.get("parameterization")
        unet = _object(_object(params.get("unet_config")).get("params"))
        heads = unet.get("num_heads")
        prediction = {"v": "v_prediction", "eps": "epsilon"}.get(told) if isinstance(told, str) else None
        zero = next((params[word] for word in ZERO_SNR if isinstance(params.get(word), bool)), None)
        smoothed = params["use_ema"] if isinstance(params.get("use_ema"), bool) else None
        heads = heads if isinstance(heads, int) and heads > 0 else None
        return Training(prediction_type=prediction, zero_terminal_snr=zero, use_ema=smoothed, heads=heads)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = f"{path.name} cannot be read as a model's configuration."
        raise UserError(what, hint="Mend it, or delete it.") from error


def told_beside(model: Path) -> str:
    """All that the files beside a checkpoint say of how it is to be computed: equal as long as none of it changes.
    Raises UserError as `read_training` does.
    """
    own = read_card(model).own.model_dump_json(exclude={"recommended"}, exclude_none=True)
    return own + read_training(model).model_dump_json(exclude_none=True)


def _table(path: Path) -> dict[str, Any]:
    """The JSON object in a file; {} when there is no file. Raises UserError when it is something else."""
    text = _text(path)
    if text is None:
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path.name} is not readable JSON.", hint="Mend it, or delete it.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path.name} is not a JSON object.", hint="Mend it, or delete it.")
    return content


def _text(path: Path) -> str | None:
    """A small text file's content; None when there is none. Raises UserError."""
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path.name} is larger than {LARGEST >> 20} MB.", hint="Is it what its name says?")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path.name} cannot be read as text.", hint="Check the file and its permissions.") from error


def _write(path: Path, content: Mapping[str, Any]) -> None:
    try:
        write_atomically(path, json.dumps(content, indent=4, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(f"{path.name} cannot be written: {reason}.", hint="Is the folder write-protected?") from error


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
