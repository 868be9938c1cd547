"""What only a checkpoint's name tells: that it was distilled to few steps, or which of two equal architectures it is.

SDXL Turbo has the same tensors as SDXL, FLUX Kontext the same as FLUX dev. Their makers name them, so names are taken
as hints: for settings to start with and for what lists say, never for how a file is loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .declared import Recommended
from .detection import Detection

NO_ADVICE = Recommended()


@dataclass(frozen=True)
class Hint:
    """`variant` and `native_size`: what the name says, "" and None for nothing. `reason`: the word that says it."""

    variant: str = ""
    native_size: int | None = None
    recommended: Recommended = NO_ADVICE
    reason: str = ""


@dataclass(frozen=True)
class Distillation:
    """A way to need few steps: the words in names, and the settings that its authors give. `steps` where the name has
    no number of its own. `small`: the plain ones of their makers were trained at 512 pixels.
    """

    name: str
    words: str
    steps: int
    cfg_scale: float
    sampler: str
    schedule: str
    small: str = ""

    def recommended(self, text: str) -> Recommended:
        told = re.search(r"(?<!\d)(\d{1,2})[ _-]?steps?", text)
        steps = int(told[1]) if told and 1 <= int(told[1]) <= 16 else self.steps
        return Recommended(steps=steps, cfg_scale=self.cfg_scale, sampler=self.sampler, schedule=self.schedule)


# In this order: "lightning" is also a word for merges with turbo. Settings are those of the model cards.
DISTILLATIONS = (
    Distillation("Lightning", r"lightning", 4, 1.0, "Euler", "SGM Uniform"),
    Distillation("Hyper", r"hyper[ _-]?(?:sdxl|sd|xl|flux)", 8, 1.0, "DDIM", "SGM Uniform"),
    Distillation("DMD2", r"dmd2?", 4, 1.0, "LCM", "SGM Uniform"),
    Distillation("LCM", r"lcm", 6, 1.5, "LCM", "SGM Uniform"),
    Distillation("Turbo", r"turbo", 4, 1.0, "Euler a", "SGM Uniform", small=r"sd[ _-]?(xl[ _-]?)?turbo"),
)
LATENT_CONSISTENT = DISTILLATIONS[3]
# Of the model cards again; of SD 3.5 large turbo, too, which is sampled as its parent is.
SD3_SETTINGS = {
    "3 medium": Recommended(steps=28, cfg_scale=7.0, sampler="Euler", schedule="Automatic"),
    "3.5 medium": Recommended(steps=40, cfg_scale=4.5, sampler="Euler", schedule="Automatic"),
    "3.5 large": Recommended(steps=28, cfg_scale=3.5, sampler="Euler", schedule="Automatic"),
}
SD3_TURBO = Recommended(steps=4, cfg_scale=1.0, sampler="Euler", schedule="Automatic")
FLUX_SETTINGS = {
    "schnell": Recommended(steps=4, cfg_scale=1.0, sampler="Euler", schedule="Simple"),
    "dev": Recommended(steps=20, cfg_scale=1.0, sampler="Euler", schedule="Simple"),
}


def hinted(name: str, found: Detection) -> Hint:
    """What `name`, a file's or the title in its metadata, says of a checkpoint that `found` describes."""
    text = name.casefold()
    if found.kind not in ("checkpoint", "UNet", "transformer"):
        return Hint()
    if found.family_id == "flux":
        return _flux(text, found)
    if found.family_id == "sd3":
        return _sd3(text, found)
    for one in DISTILLATIONS:
        if word := _word(one.words, text):
            small = bool(one.small and re.search(rf"(^|[^a-z]){one.small}", text))
            return Hint(one.name, 512 if small else None, one.recommended(text), f"{one.name} by its name ({word!r})")
    if found.variant == "LCM":
        return Hint("", None, LATENT_CONSISTENT.recommended(text))
    if found.family_id == "sd2":
        return _sd2(text)
    return Hint()


def _flux(text: str, found: Detection) -> Hint:
    settings = FLUX_SETTINGS["schnell" if found.variant == "schnell" else "dev"]
    if found.variant == "dev" and _word("kontext", text):
        return Hint("kontext", None, settings, "Kontext by its name")
    return Hint(recommended=settings)


def _sd3(text: str, found: Detection) -> Hint:
    if word := _word("turbo", text):
        return Hint("Turbo", None, SD3_TURBO, f"Turbo by its name ({word!r})")
    return Hint(recommended=SD3_SETTINGS.get(found.variant, NO_ADVICE))


def _sd2(text: str) -> Hint:
    """Which size, and so which prediction; the network itself is asked when it is loaded."""
    told = re.search(r"(?<!\d)(512|768)(?!\d)", text)
    if not told:
        return Hint(reason="whether it predicts noise (512 pixels) or v (768) is found out when it is loaded")
    sort = "base, 512 pixels" if told[1] == "512" else "768 pixels"
    return Hint(native_size=int(told[1]), reason=f"{sort} by its name; what it predicts is found out when it is loaded")


def _word(words: str, text: str) -> str:
    """The part of the name that is one of the words, standing for itself: "turbo", not "turboprop"."""
    found = re.search(rf"(?<![a-z])(?:{words})(?![a-z])|xl(?:{words})(?![a-z])", text)
    return found[0] if found else ""
