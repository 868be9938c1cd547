"""Keeps the checkpoints that were asked for lately, so that asking again costs nothing."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import torch

from ..catalog.beside import told_beside
from ..catalog.companions import Places
from ..catalog.header import Header
from ..catalog.parts import PARTS
from ..catalog.scan import ModelFile
from ..core.errors import UserError
from .before_text import compute_once_before_text
from .load import USUAL_PLACES, load_checkpoint, opened_checkpoint, with_vae
from .memory import free_memory, give_pages_back, keep_pages
from .precision import Precision
from .prepared import prepare_network
from .tensors import identity
from .tiled_attention import tile_attention
from .weights import Weights

SPARE = 0.8  # of the free memory, what a second model may take before the first is let go
Key = tuple[str, int, int, str]


@dataclass(frozen=True)
class _Kept:
    """A model, and the file of its VAE; None: the checkpoint's own."""

    weights: Weights
    vae: Key | None

    def is_complete(self, places: Places) -> bool:
        """Whether it has those text encoders that it would be loaded with now. Those that went away are not missed."""
        weights = self.weights
        if weights.family.id not in PARTS:
            return True
        try:
            found = opened_checkpoint(weights.path, places, own_vae=False).parts.files
        except UserError:
            return True
        return {path: identity(path) for path in found} == weights.others


class Loader:
    """Opens checkpoints on one device and owns the open one, and those before it while they fit into a budget, so that
    going back to one costs nothing. For one thread: the engine's.
    """

    def __init__(
        self,
        precision: Precision,
        budget: Callable[[], int | None] = lambda: None,
        places: Places = USUAL_PLACES,
    ) -> None:
        """`budget()`: bytes that the models beside the open one may take; None: half of what is free. `places`: where
        text encoders and VAEs lie that checkpoints lack.
        """
        self.precision = precision
        self._places = places
        if precision.device.type == "cpu":
            keep_pages()
        self._budget = budget
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()  # the open one is the last
        self._settled = True

    def open(self, file: ModelFile | Path, vae: Path | None = None) -> Weights:
        """The model in `file` with the VAE in `vae` (None: its own): from memory if it is there, else loaded now.

        Files that changed on disk are loaded anew. Raises UserError when the file cannot be loaded; the model that was
        open before is open still.
        """
        path = file if isinstance(file, Path) else file.path
        key, vae_key = _key(path), _key(vae) if vae else None
        kept = self._kept.get(key)
        if kept is None or not kept.is_complete(self._places):
            weights = self._load(path, vae)
        elif kept.vae != vae_key:
            before = replace(kept.weights, vae_dtype=self.precision.vae_dtype)  # float32 was for the last one
            weights = self._prepared(with_vae(before, vae, self._places))
        else:
            weights = kept.weights
        self._kept[key] = _Kept(weights, vae_key)
        self._kept.move_to_end(key)
        self._let_go_of_old_files(key)
        self._keep_to_budget()
        return weights

    def settle(self) -> None:
        """To be called when pictures are done: gives back what layers left over that prepared themselves for the first
        ones of a model. Later ones find the pages that they work in.
        """
        if not self._settled:
            give_pages_back()
        self._settled = True

    def close(self) -> None:
        """Lets all models go and gives their memory back."""
        self._kept.clear()
        self._give_back()

    @property
    def kept(self) -> list[Path]:
        """The files of the models in memory, the open one last."""
        return [kept.weights.path for kept in self._kept.values()]

    def _let_go_of_old_files(self, key: Key) -> None:
        """Drops what the same file held before it changed, and what files held that are gone."""
        others = [other for other in self._kept if other != key]
        for old in [other for other in others if other[0] == key[0] or not Path(other[0]).exists()]:
            del self._kept[old]

    def _keep_to_budget(self) -> None:
        """Lets go of the models that were used longest ago, until those beside the open one fit into the budget."""
        sizes = [kept.weights.nbytes for kept in self._kept.values()][:-1]
        budget = self._budget()
        if budget is None and sizes:
            free = free_memory(self.precision.device)
            budget = 0 if free is None else (free + sum(sizes)) // 2
        if sum(sizes) > (budget or 0):
            while sum(sizes) > (budget or 0):
                self._kept.popitem(last=False)
                sizes.pop(0)
            self._give_back()

    def _give_back(self) -> None:
        gc.collect()
        give_pages_back()
        if self.precision.device.type == "cuda":
            torch.cuda.empty_cache()

    def _load(self, path: Path, vae: Path | None) -> Weights:
        """Loads beside the open model where memory allows, so that failing costs nothing; else others are let go first,
        the open one last.
        """
        if not self._kept:
            return self._load_now(path, vae)
        needed = _bytes_needed(opened_checkpoint(path, self._places, own_vae=vae is None).header, self.precision.dtype)
        while len(self._kept) > 1 and not self._has_room(needed):
            self._kept.popitem(last=False)
            self._give_back()
        if self._has_room(needed):
            return self._load_now(path, vae)
        key, (before,) = next(iter(self._kept)), self._kept.values()
        vae_key, previous = before.vae, (before.weights.path, before.weights.vae_path)
        del before
        self.close()
        try:
            return self._load_now(path, vae)
        except UserError:
            self._kept[key] = _Kept(self._load_now(*previous), vae_key)
            raise

    def _has_room(self, needed: int) -> bool:
        """Whether a model of that many bytes can come beside those that are here. Where nobody says what is free, the
        stated budget is believed.
        """
        free = free_memory(self.precision.device)
        if free is None:
            return sum(kept.weights.nbytes for kept in self._kept.values()) <= (self._budget() or 0)
        return needed < SPARE * free

    def _load_now(self, path: Path, vae: Path | None) -> Weights:
        precision = self.precision
        loaded = load_checkpoint(
            path,
            device=precision.device,
            dtype=precision.dtype,
            vae_dtype=precision.vae_dtype,
            vae=vae,
            places=self._places,
        )
        weights = self._prepared(loaded)
        if precision.device.type == "cpu":
            compute_once_before_text(weights.unet)
            tile_attention(weights.unet)
        return weights

    def _prepared(self, weights: Weights) -> Weights:
        """The model with layers for the CPU, if that is where it is."""
        if self.precision.device.type == "cpu":
            for network in (weights.unet, weights.vae):
                prepare_network(network)
            self._settled = False
        return weights


def _bytes_needed(header: Header, dtype: torch.dtype) -> int:
    """About the bytes of the file's tensors as they will be kept."""
    return sum(prod(entry.shape) for entry in header.tensors.values()) * dtype.itemsize


def _key(path: Path) -> Key:
    """What tells this file, with this content and with what is said of it beside, from others. Raises UserError."""
    return str(path.resolve()), *identity(path), told_beside(path)
