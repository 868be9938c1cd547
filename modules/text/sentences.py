"""From the pieces of a prompt to what T5 reads: whole sentences, cut into words and parts of words by its tokenizer.

No package carries T5's words. They are read from a `tokenizer.json` as Hugging Face's library `tokenizers` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..core.errors import UserError
from .chunks import Chunk
from .grammar import BREAK, Piece

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD: Final = 0
_SURROGATE = re.compile("[\ud800-\udfff]")


class Sentences:
    """T5's tokenizer in the file at `path`, for a model that reads `length` tokens at once."""

    def __init__(self, path: Path, length: int) -> None:
        self.path = path
        self.length = length

    def chunks(self, pieces: Sequence[Piece]) -> list[Chunk]:
        """The prompt as one text, `length` tokens to a chunk, the end's mark and padding included; at least one chunk.

        Every token has the weight of the piece in which it ends. A `BREAK` is a space: T5 reads on. Raises UserError
        when the file is no tokenizer.
        """
        room = self.length - 1
        tokens = self._tokens(pieces)
        runs = [tokens[start : start + room] for start in range(0, len(tokens), room)] or [[]]
        return [self._closed(run) for run in runs]

    def _tokens(self, pieces: Iterable[Piece]) -> list[tuple[int, float]]:
        """The number and weight of each token."""
        spoken = [Piece(" ", 1.0) if piece == BREAK else piece for piece in pieces]
        text = _SURROGATE.sub("\ufffd", "".join(piece.text for piece in spoken))
        weights = [piece.weight for piece in spoken for _ in piece.text]
        if not text:
            return []
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return [
            (number, weights[min(max(end - 1, 0), len(weights) - 1)])
            for number, (_, end) in zip(encoded.ids, encoded.offsets, strict=True)
        ]

    def _closed(self, run: list[tuple[int, float]]) -> Chunk:
        padding = self.length - len(run) - 1
        numbers = (*(number for number, _ in run), self._end, *[PAD] * padding)
        return Chunk(numbers, (*(weight for _, weight in run), *[1.0] * (padding + 1)))

    @property
    def _end(self) -> int:
        return self._tokenizer.token_to_id("</s>")

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        """Read at first use: that takes a tenth of a second."""
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self.path))
        except Exception as error:  # the library raises nothing narrower
            raise UserError(
                f"{self.path.name} cannot be read as a tokenizer: {error}.", hint="Fetch it again."
            ) from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer
