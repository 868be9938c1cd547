"""The models that many start from, as `offered.yaml` declares them."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml


@dataclass(frozen=True)
class Offer:
    """One model: its name, a line about it, its family's name, kind, size in 10^9 bytes, licence, address, SHA-256."""

    name: str
    about: str
    family: str
    kind: str
    gb: float
    licence: str
    address: str
    sha256: str = ""

    @property
    def file(self) -> str:
        return PurePosixPath(self.address).name

    def as_json(self, there: Collection[str]) -> dict[str, Any]:
        """`there`: names of the files that there are."""
        return {**asdict(self), "file": self.file, "there": self.file in there}


@functools.cache
def offers() -> tuple[Offer, ...]:
    text = Path(__file__).with_name("offered.yaml").read_text(encoding="utf-8")
    return tuple(Offer(**one) for one in yaml.safe_load(text))
