"""Textual inversion: reads what people taught a word to mean, and shows it to the text encoder in place of the word.

Source: Gal et al. 2022, "An Image is Worth One Word", arXiv 2208.01618.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..catalog.networks import PICTURES, embedding_files
from ..catalog.open import read_tensors
from ..core.errors import UserError
from ..imaging.embedded import embedded_table
from ..text.chunks import ROOM, Chunk
from ..text.words import NO_WORDS, Vocabulary, Word
from .reading import CLIP
from .tensors import identity, read_all

if TYPE_CHECKING:
    from .weights import Weights

SMALL, LARGE, ONLY = "clip_l", "clip_g", ""  # the text encoder that vectors are for; "": a model's only one
NOT_NUMBERS = "it holds no vectors as textual inversion makes them"


@dataclass(frozen=True)
class Embedding:
    """The vectors (n, width), float32, that stand for a word, by text encoder."""

    path: Path
    word: Word
    vectors: Mapping[str, Tensor]

    def misfit(self, weights: Weights) -> str:
        """Why the loaded model cannot use it, in a sentence; "" when it can."""
        if weights.readers[0].name != CLIP:
            family = weights.family.name
            return f"The embedding {self.word.name} is left out: it is for CLIP, but {family} reads prompts with T5."
        encoders = _encoders(weights)
        widths = {name: encoder.embedding_dim for name, encoder in encoders.items()}
        own = {name: vectors.shape[1] for name, vectors in self.vectors.items()}
        if all(own.get(name) == width for name, width in widths.items()):
            return ""
        return (
            f"The embedding {self.word.name} is left out: its vectors are {_listed(own)} wide, but the text of this "
            f"{weights.family.name} model is {_listed(widths)}."
        )


@dataclass(frozen=True)
class Taught:
    """The words that a model understands beside its own, the embeddings that they stand for, and why others that there
    are cannot be used: a sentence for each. `files` are those that all this is from.
    """

    vocabulary: Vocabulary = NO_WORDS
    embeddings: Mapping[Word, Embedding] = field(default_factory=dict)
    useless: Vocabulary = NO_WORDS
    reasons: Mapping[Word, str] = field(default_factory=dict)
    files: tuple[tuple[Path, tuple[int, int]], ...] = ()


class EmbeddingShelf:
    """The embeddings in some folders and below, each read when it is new or has changed. For one thread."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._read: dict[tuple[Path, tuple[int, int]], Embedding | str | None] = {}

    def teach(self, weights: Weights) -> Taught:
        """Has the model know the words that there are now."""
        files = tuple((path, identity(path)) for path in embedding_files(self._folders))
        if weights.taught.files != files:
            self._read = {file: self._read[file] if file in self._read else _read_or_reason(file[0]) for file in files}
            weights.taught = self._for(weights, files)
        return weights.taught

    def _for(self, weights: Weights, files: tuple[tuple[Path, tuple[int, int]], ...]) -> Taught:
        embeddings, reasons = {}, {}
        for file in files:
            found = self._read[file]
            if isinstance(found, Embedding):
                misfit = found.misfit(weights)
                if misfit:
                    reasons[found.word] = misfit
                else:
                    embeddings[found.word] = found
            elif found:
                reasons[Word(file[0].stem, 1, file)] = found
        return Taught(Vocabulary.of(embeddings), embeddings, Vocabulary.of(reasons), reasons, files)


def _read_or_reason(path: Path) -> Embedding | str | None:
    try:
        return read_embedding(path)
    except UserError as error:
        return f"The embedding {path.stem} is left out. {error}"


def read_embedding(path: Path) -> Embedding | None:
    """The embedding in a file; None for a picture that carries none. Raises UserError for what cannot be used."""
    before = identity(path)
    if path.suffix.lower() in PICTURES:
        table = embedded_table(path)
        if table is None:
            return None
        name, found = str(table.get("name") or path.stem), _of_table(path, table)
    else:
        name, found = path.stem, _of_tensors(path)
    vectors = {encoder: _checked(path, tensor) for encoder, tensor in found.items()}
    counts = {len(tensor) for tensor in vectors.values()}
    if len(counts) != 1:
        both = " and ".join(str(len(one)) for one in vectors.values())
        raise UserError(f"{path.name} cannot be used as an embedding: it has {both} vectors.")
    return Embedding(path, Word(name, counts.pop(), (str(path), before)), vectors)


@contextmanager
def words_shown(weights: Weights, chunk: Chunk) -> Iterator[None]:
    """While the block lasts, the text encoders see the vectors of the chunk's words in their places."""
    hooks = []
    for encoder, layer in _encoders(weights).items() if chunk.words else ():
        placed = [(place, weights.taught.embeddings[word].vectors[encoder]) for place, word in chunk.words]
        hooks.append(layer.register_forward_hook(_placing(placed)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _placing(placed: list[tuple[int, Tensor]]) -> Any:
    def place(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """Output (1, 77, width) with vectors (n, width) from each place on."""
        output = output.clone()
        for start, vectors in placed:
            output[0, start : start + len(vectors)] = vectors.to(output)
        return output

    return place


def _encoders(weights: Weights) -> dict[str, nn.Embedding]:
    """The layers that turn tokens into vectors, by the names that SDXL's embeddings give the encoders."""
    encoders = weights.text_encoder
    if not hasattr(encoders, "small"):
        return {ONLY: encoders.embeddings.token_embedding}
    found = {} if encoders.small is None else {SMALL: encoders.small.embeddings.token_embedding}
    return found if encoders.large is None else {**found, LARGE: encoders.large.clip.embeddings.token_embedding}


def _of_tensors(path: Path) -> dict[str, Tensor]:
    """The vectors in a .pt, .bin or .safetensors file, by encoder."""
    tensors = read_all(read_tensors(path))
    pair = {name: tensors[name] for name in (SMALL, LARGE) if name in tensors}
    if pair:
        return pair
    taught = {name: one for name, one in tensors.items() if name.startswith("string_to_param.") or name == "emb_params"}
    taught = taught or {name: one for name, one in tensors.items() if one.is_floating_point()}
    if len(taught) != 1:
        some = ", ".join(list(tensors)[:3])
        raise UserError(f"{path.name} cannot be used as an embedding: {NOT_NUMBERS} ({some}).")
    return {ONLY: next(iter(taught.values()))}


def _of_table(path: Path, table: Mapping[str, Any]) -> dict[str, Tensor]:
    """The vectors in the JSON that A1111 hides in pictures: nested lists under "TORCHTENSOR"."""
    taught = table.get("string_to_param")
    first = next(iter(taught.values()), None) if isinstance(taught, dict) else None
    numbers = first.get("TORCHTENSOR") if isinstance(first, dict) else None
    try:
        return {ONLY: torch.tensor(numbers, dtype=torch.float32)}
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path.name} cannot be used as an embedding: {NOT_NUMBERS}.") from error


def _checked(path: Path, tensor: Tensor) -> Tensor:
    """Vectors (n, width), float32, in memory of their own. Raises UserError."""
    vectors = tensor[None] if tensor.ndim == 1 else tensor
    if vectors.ndim != 2 or not vectors.numel() or not vectors.is_floating_point():
        raise UserError(f"{path.name} cannot be used as an embedding: {NOT_NUMBERS}.")
    if len(vectors) > ROOM:
        raise UserError(f"{path.name} has {len(vectors)} vectors; a chunk of a prompt has room for {ROOM}.")
    vectors = vectors.to(torch.float32, copy=True)
    if not torch.isfinite(vectors).all():
        raise UserError(f"{path.name} cannot be used as an embedding: some of its numbers are not finite.")
    return vectors


def _listed(widths: Mapping[str, int]) -> str:
    return " and ".join(f"{width} ({name})" if name else str(width) for name, width in widths.items())
