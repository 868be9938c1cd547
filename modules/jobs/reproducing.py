"""A picture painted once more from its text, and what is known beforehand to come out otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core import infotext
from ..core.errors import UserError
from ..core.params import IMG2IMG, INPAINT, TXT2IMG
from ..core.pictures import Abilities
from ..core.request import PARAMS, GenerationRequest
from ..core.version import NAME
from .history import PictureRecord
from .inputs import InputPictures
from .models import Models
from .pasting import pasted_settings
from .queue import JobQueue, NotFound

PICTURES = tuple(one.name for one in PARAMS.values() if one.picture)
_ALONE = {"batch_size": 1, "batch_count": 1}
_FROM_A_PICTURE = ("Init image hash", "Mask blur")


@dataclass(frozen=True)
class Reproduction:
    """The request fields of the picture, the `tab` that paints such, and sentences about known differences."""

    values: dict[str, Any]
    tab: str
    differences: list[str]


def reproduction(
    text: str, models: Models, abilities: Abilities | None, request: GenerationRequest | None, inputs: InputPictures
) -> Reproduction:
    """The picture that a text describes. `request` is that of the job that made it, if it is known: it has what texts
    do not say, such as the picture to start from. Raises UserError when the text says too little.
    """
    entries = infotext.split(text)[2]
    if not entries:
        raise UserError(
            "The picture comes without settings: there is nothing to paint it from.",
            hint="Choose one whose settings are in its file.",
        )
    pasted = pasted_settings(text, models, abilities, nearest=True)
    differences = [*pasted.problems, *_in_its_noise(pasted.values, entries), *pasted.differences]
    pictures = _pictures(request, inputs)
    if not pictures and _starts_from_a_picture(entries, pasted.values):
        differences.insert(0, "It was painted from another picture, which is not known here: it is painted from noise.")
    if any(key.startswith("Postprocess") for key in entries):
        differences.append("It was enlarged in Extras afterwards, which is not done again.")
    if pasted.program and not pasted.program.startswith(NAME):
        differences.append(f"{pasted.program} painted it: other programs round differently in the last digits.")
    tab = (INPAINT if pictures.get("mask") else IMG2IMG) if pictures.get("init_image") else TXT2IMG
    return Reproduction({**pasted.values, **pictures, **_ALONE}, tab, differences)


def request_behind(record: PictureRecord, queue: JobQueue) -> GenerationRequest | None:
    """The request of the job that made a picture; None for one of another program, or whose job is forgotten."""
    try:
        return queue.get(record.job).request if record.job else None
    except NotFound:
        return None


def _in_its_noise(values: dict[str, Any], entries: dict[str, str]) -> list[str]:
    """Has graphics cards' noise computed as NVIDIA's do, on any machine; a text without a seed has no known noise."""
    said = []
    if values.get("noise_source") == "GPU":
        values["noise_source"] = "NV"
        said.append(
            "Its noise came from a graphics card (RNG GPU). Here it is computed (RNG NV) as NVIDIA's cards draw it; "
            "cards of others draw another."
        )
    if "Seed" not in entries:
        said.append("Its seed is not written: another one is drawn.")
    return said


def _pictures(request: GenerationRequest | None, inputs: InputPictures) -> dict[str, str]:
    """The pictures that it started from, where they are known and still kept."""
    if request is None or request.files or request.loops:
        return {}
    named = {name: getattr(request, name) for name in PICTURES if getattr(request, name)}
    return named if all(map(inputs.has, named.values())) else {}


def _starts_from_a_picture(entries: dict[str, str], values: dict[str, Any]) -> bool:
    told = any(key in entries for key in _FROM_A_PICTURE)
    return told or ("Denoising strength" in entries and not values.get("enable_hr"))
