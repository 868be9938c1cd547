"""All that is known of a model file before it is loaded: its tensors' names and shapes, its metadata, its name, the
`.yaml` beside it, and above them the user's own word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .beside import EMPTY, Card, Override, Training, read_card, read_training, stem_of
from .declared import KEY, Declared, Recommended, declared_facts
from .detect import detect
from .detection import Detection
from .distilled import Hint, hinted
from .families import FAMILIES
from .header import Header

MARKS = ("v_pred", "ztsnr")  # empty tensors by which trainers say what a checkpoint predicts, and from what noise on
TITLE, PREDICTION, ZERO_SNR = "modelspec.title", "modelspec.prediction_type", "ss_zero_terminal_snr"
TELLING = (KEY, TITLE, PREDICTION, ZERO_SNR)
PREDICTIONS = {"v": "v_prediction", "v_prediction": "v_prediction", "epsilon": "epsilon", "eps": "epsilon"}
LOADED = ("checkpoint", "UNet")  # kinds that may have a `.yaml`
RULE_FILES = ("detect.py", "detection.py", "checkpoints.py", "attachments.py", "recognise.py", "folders.py")
RULE_FILES += ("contents.py", "smoothed.py", "layout.py")
# Which rules found something out: what other ones found is not trusted.
EDITION = hashlib.sha256(b"".join((Path(__file__).parent / name).read_bytes() for name in RULE_FILES)).hexdigest()[:16]


@dataclass(frozen=True)
class Found:
    """What a file itself says: the part that is worth remembering until it changes."""

    detection: Detection
    marks: tuple[str, ...]
    metadata: Mapping[str, str]

    def as_text(self) -> str:
        return json.dumps([asdict(self.detection), self.marks, dict(self.metadata)])

    @classmethod
    def from_text(cls, text: str) -> Found:
        detection, marks, metadata = json.loads(text)
        return cls(Detection(**detection), tuple(marks), metadata)


@dataclass(frozen=True)
class Recognised:
    """`overridden`: the user's card had a word in it."""

    detection: Detection
    declared: Declared
    overridden: bool = False


def found_in(header: Header) -> Found:
    metadata = {key: header.metadata[key] for key in TELLING if key in header.metadata}
    return Found(detect(header), tuple(mark for mark in MARKS if mark in header.tensors), metadata)


def recognised(header: Header) -> Recognised:
    """What is known of the file that `header` was read from. Raises UserError when its metadata or `.yaml` is wrong."""
    return with_everything(header.path, found_in(header), read_card(header.path))


def with_everything(path: Path, found: Found, card: Card = EMPTY) -> Recognised:
    """The same from what is remembered of the file. Raises UserError."""
    detection, own = found.detection, card.own
    declared = declared_facts(path, found.metadata)
    hint = hinted(f"{stem_of(path)} {found.metadata.get(TITLE, '')}", detection)
    training = read_training(path) if detection.kind in LOADED else Training()
    facts = _facts(declared, found, hint, training, own)
    said = (own.family, own.variant, own.prediction_type, own.native_size)
    overridden = any(said) or any(one is not None for one in (own.zero_terminal_snr, own.use_ema))
    return Recognised(_named(detection, found, hint, training, own), facts, overridden)


def _facts(declared: Declared, found: Found, hint: Hint, training: Training, own: Override) -> Declared:
    """The user's word, then the `.yaml`'s, the metadata's, the tensors', the name's: the first that says something."""
    marked = "v_prediction" if "v_pred" in found.marks else None
    told = PREDICTIONS.get(found.metadata.get(PREDICTION, "").casefold())
    zero_snr = True if "ztsnr" in found.marks or found.metadata.get(ZERO_SNR, "").casefold() == "true" else None
    unet = declared.unet.model_copy(update={"num_attention_heads": training.heads}) if training.heads else declared.unet
    return declared.model_copy(
        update={
            "prediction_type": own.prediction_type
            or training.prediction_type
            or declared.prediction_type
            or marked
            or told,
            "zero_terminal_snr": _first(
                own.zero_terminal_snr, training.zero_terminal_snr, declared.zero_terminal_snr, zero_snr
            ),
            "use_ema": bool(_first(own.use_ema, training.use_ema, declared.use_ema)),
            "native_size": own.native_size or declared.native_size or hint.native_size,
            "unet": unet,
            "recommended": _over(own.recommended, _over(declared.recommended, hint.recommended)),
        }
    )


def _first(*told: bool | None) -> bool | None:
    """The first that says something."""
    return next((one for one in told if one is not None), None)


def _over(above: Recommended, below: Recommended) -> Recommended:
    return below.model_copy(update=above.model_dump(exclude_none=True))


def _named(detection: Detection, found: Found, hint: Hint, training: Training, own: Override) -> Detection:
    """What lists say. A hint from the name is only said, the user's word counts."""
    reasons = [detection.reason, hint.reason]
    if found.marks:
        reasons.append(f"the marker {' and '.join(found.marks)}")
    if training.prediction_type:
        reasons.append(f"the .yaml beside it says {training.prediction_type}")
    if training.zero_terminal_snr:
        reasons.append("the .yaml beside it says zero terminal SNR")
    if training.use_ema:
        reasons.append("the .yaml beside it asks for EMA weights, where there are such")
    if hint.variant == "kontext":
        detection = replace(detection, variant=hint.variant)
    if own.family or own.variant:
        said = " ".join(filter(None, (FAMILIES[own.family].name if own.family else "", own.variant)))
        reasons.insert(0, f"you said that it is {said}")
        detection = replace(
            detection, family_id=own.family or detection.family_id, variant=own.variant or detection.variant
        )
    return replace(detection, reason="; ".join(filter(None, reasons)))
