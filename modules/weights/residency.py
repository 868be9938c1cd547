"""Keeps the checkpoint that was asked for last, so that asking again costs nothing."""

from __future__ import annotations

import gc
from math import prod
from pathlib import Path

import torch

from ..catalog.header import Header
from ..catalog.open import read_tensors
from ..catalog.scan import ModelFile
from ..core.errors import UserError
from .load import load_checkpoint, with_vae
from .memory import free_memory, give_pages_back, keep_pages
from .precision import Precision
from .prepared import prepare_network
from .weights import Weights

SPARE = 0.8  # of the free memory, what a second model may take before the first is let go
Key = tuple[str, int, int]


class Loader:
    """Opens checkpoints on one device and owns the open one. For one thread: the engine's."""

    def __init__(self, precision: Precision) -> None:
        self.precision = precision
        if precision.device.type == "cpu":
            keep_pages()
        self._weights: Weights | None = None
        self._keys: tuple[Key, Key | None] | None = None

    def open(self, file: ModelFile | Path, vae: Path | None = None) -> Weights:
        """The model in `file` with the VAE in `vae` (None: its own): the open one if it is that, else loaded now.

        Files that changed on disk are loaded anew. Raises UserError when the file cannot be loaded; the model that was
        open before is open still.
        """
        path = file if isinstance(file, Path) else file.path
        keys = _key(path), _key(vae) if vae else None
        if self._weights is not None and keys == self._keys:
            return self._weights
        if self._weights is not None and self._keys is not None and keys[0] == self._keys[0]:
            weights = self._prepared(with_vae(self._weights, vae))
        else:
            weights = self._load(path, vae)
        self._weights, self._keys = weights, keys
        return weights

    def close(self) -> None:
        """Lets the open model go and gives its memory back."""
        self._weights = self._keys = None
        gc.collect()
        give_pages_back()
        if self.precision.device.type == "cuda":
            torch.cuda.empty_cache()

    def _load(self, path: Path, vae: Path | None) -> Weights:
        """Loads beside the open model where memory allows, so that failing costs nothing; else after letting it go."""
        before, keys = self._weights, self._keys
        needed = _bytes_needed(read_tensors(path), self.precision.dtype)
        if before is None or needed < SPARE * (free_memory(self.precision.device) or 0):
            return self._load_now(path, vae)
        previous = before.path, before.vae_path
        del before
        self.close()
        try:
            return self._load_now(path, vae)
        except UserError:
            self._weights, self._keys = self._load_now(*previous), keys
            raise

    def _load_now(self, path: Path, vae: Path | None) -> Weights:
        precision = self.precision
        weights = load_checkpoint(
            path, device=precision.device, dtype=precision.dtype, vae_dtype=precision.vae_dtype, vae=vae
        )
        return self._prepared(weights)

    def _prepared(self, weights: Weights) -> Weights:
        """The model with layers for the CPU, if that is where it is."""
        if self.precision.device.type == "cpu":
            for network in (weights.unet, weights.vae):
                prepare_network(network)
        return weights


def _bytes_needed(header: Header, dtype: torch.dtype) -> int:
    """About the bytes of the file's tensors as they will be kept."""
    return sum(prod(entry.shape) for entry in header.tensors.values()) * dtype.itemsize


def _key(path: Path) -> Key:
    """What tells this file, with this content, from others."""
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.", hint="Refresh the list of models.") from error
    return str(path.resolve()), status.st_size, status.st_mtime_ns
