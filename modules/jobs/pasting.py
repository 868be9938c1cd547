"""The settings in a picture's text, made fit for the page: names as they are here, and what is lost said."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..core import infotext
from ..core.errors import UserError
from ..core.infotext import Pasted
from ..core.pictures import Abilities
from ..core.registry import SAMPLERS, SCHEDULES
from ..core.request import PARAMS
from ..core.sections.hires import LATENT_UPSCALERS, SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULE
from ..core.sections.refiner import NO_REFINER
from .filling import spelt
from .models import Models

# What old pictures append to a sampler's name; known here too because the engine may not be there yet.
OLD_SCHEDULES = ("Karras", "Exponential")
LORA_HASHES, WORD_HASHES = "Lora hashes", "TI hashes"
_LORA = re.compile(r"<(lora|lyco):([^:<>]{1,300})((?::[^<>]{0,300})?)>")


@dataclass(frozen=True)
class PastedSettings:
    """Request fields read from a picture's text, and sentences: `problems` about what could not be taken over,
    `differences` about what will look slightly different all the same. `program` wrote the text, "" for unknown.
    """

    values: dict[str, Any]
    problems: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    program: str = ""


def pasted_settings(
    text: str, models: Models, abilities: Abilities | None = None, nearest: bool = False
) -> PastedSettings:
    """Reads a text. Models are found by their hash, else by their name. For what is not here, `nearest` takes what is
    called most alike; otherwise what is chosen now stays. Without `abilities` (the engine is not there yet) samplers
    and schedules are taken as they are written.
    """
    models.refresh()  # hashes become known while the program runs
    pasted = infotext.read(text, abilities.schedules if abilities else OLD_SCHEDULES)
    fitting = _Fitting(pasted, models, nearest)
    fitting.checkpoint_and_vae()
    fitting.other_checkpoints()
    fitting.upscaler()
    if abilities:
        fitting.samplers(abilities)
    fitting.loras()
    fitting.embeddings()
    for key, value in pasted.unknown.items():
        why = f" {pasted.reasons[key]}" if key in pasted.reasons else ""
        fitting.problems.append(f"{key}: {value[:200]} could not be taken over.{why}")
    problems = [*pasted.lost, *fitting.problems]
    return PastedSettings(fitting.values, problems, [*pasted.differences, *fitting.differences], pasted.program)


class _Fitting:
    """The values of a text while they are made to fit this machine."""

    def __init__(self, pasted: Pasted, models: Models, nearest: bool) -> None:
        self.pasted, self._models, self._nearest = pasted, models, nearest
        self.values: dict[str, Any] = dict(pasted.values)
        self.problems: list[str] = []
        self.differences: list[str] = []

    def checkpoint_and_vae(self) -> None:
        for kind, (name, short_hash), files in (
            ("checkpoint", self.pasted.model, self._models.checkpoints()),
            ("vae", self.pasted.vae, self._models.vaes()),
        ):
            found = self._models.pasted(files, name, short_hash)
            what = " ".join(part for part in (name, short_hash and f"[{short_hash}]") if part)
            if found:
                self.values[kind] = found
                here = next((model.short_hash for model in files if self._models.name_of(model) == found), "")
                self._tell_apart(f"The {PARAMS[kind].label} {found}", here, short_hash)
            elif what:
                usable = [self._models.name_of(model) for model in files if not model.problem]
                self._instead(kind, f"The {PARAMS[kind].label} {what} is not here", name, usable)

    def other_checkpoints(self) -> None:
        """Those of the second pass and of the last steps."""
        usable = [self._models.name_of(model) for model in self._models.checkpoints() if not model.problem]

        def known(name: str) -> str:
            return self._models.name_of(self._models.checkpoint(name))

        self._known("hr_checkpoint_name", known, usable, (SAME_CHECKPOINT, ""))
        self._known("refiner_checkpoint", known, usable, (NO_REFINER, ""))

    def upscaler(self) -> None:
        if self.values.get("enable_hr"):
            self._known("hr_upscaler", self._models.upscaler, self._models.upscaler_names(), LATENT_UPSCALERS)

    def samplers(self, abilities: Abilities) -> None:
        for name, names, registry, own in (
            ("sampler", abilities.samplers, SAMPLERS, ()),
            ("schedule", abilities.schedules, SCHEDULES, ()),
            ("hr_sampler_name", abilities.samplers, SAMPLERS, (SAME_SAMPLER, "")),
            ("hr_scheduler", abilities.schedules, SCHEDULES, (SAME_SCHEDULE, "")),
        ):
            self._known(name, lambda wanted, names=names, registry=registry: spelt(wanted, names, registry), names, own)

    def loras(self) -> None:
        """Has prompts name LoRAs as their files are called here, by the hashes in the text."""
        hashes = self._hashes(LORA_HASHES)

        def here(match: re.Match[str]) -> str:
            kind, name, numbers = match.groups()
            found = self._models.lora(name, hashes.get(name, ""))
            if found is None:
                digest = f" [{hashes[name]}]" if name in hashes else ""
                self.problems.append(f"The LoRA {name[:100]}{digest} is not here: it is left out.")
            else:
                self._tell_apart(f"The LoRA {found[:100]}", self._models.lora_hash(found), hashes.get(name, ""))
            return f"<{kind}:{found or name}{numbers}>"

        for prompt in ("prompt", "hr_prompt"):
            if isinstance(self.values.get(prompt), str):
                self.values[prompt] = _LORA.sub(here, self.values[prompt])

    def embeddings(self) -> None:
        """Says which words the picture's model had been taught and this one was not, or by another file."""
        for name, digest in self._hashes(WORD_HASHES).items():
            here = self._models.embedding_hash(name)
            if here is None:
                self.problems.append(
                    f"The embedding {name[:100]} [{digest[:12]}] is not here: its name is only a word."
                )
            else:
                self._tell_apart(f"The embedding {name[:100]}", here, digest)

    def _hashes(self, key: str) -> dict[str, str]:
        """The entry `key`, "name: hash, name: hash", as a table."""
        parts = (part.strip().rpartition(": ") for part in self.pasted.told.get(key, "").split(","))
        return {name: digest for name, _, digest in parts if name}

    def _tell_apart(self, what: str, here: str, digest: str) -> None:
        """A file of the same name is taken, but it may be another one. Hashes may be written shortened."""
        digits = min(len(here), len(digest))
        if here[:digits] != digest.lower()[:digits]:
            self.differences.append(f"{what} has the hash {here} here, not {digest[:64]}.")

    def _known(self, name: str, known: Callable[[str], str], names: Iterable[str], own: Iterable[str]) -> None:
        """Has a value spelt as it is here, or takes it out and says so."""
        wanted = self.values.get(name)
        if not isinstance(wanted, str) or wanted in own:
            return
        try:
            self.values[name] = known(wanted)
        except UserError:
            self._instead(name, f"The {PARAMS[name].label} {wanted[:100]} is not here", wanted, list(names))

    def _instead(self, name: str, sentence: str, wanted: str, names: list[str]) -> None:
        near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.0) if self._nearest and wanted else []
        if near:
            self.values[name] = near[0]
            self.problems.append(f"{sentence}: {near[0]} is used, whose name is the nearest.")
        else:
            self.values.pop(name, None)
            self.problems.append(f"{sentence}: the one chosen now stays.")
