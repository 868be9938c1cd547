"""From the pieces of a prompt to the chunks of 77 tokens that the text encoder reads, by A1111's rules."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from .grammar import BREAK, Piece
from .tokenizer import BOS, COMMA, EOS, encode
from .words import NO_WORDS, Vocabulary, Word

ROOM: Final = 75  # tokens of the prompt in one chunk
LENGTH: Final = ROOM + 2  # with BOS and EOS
COMMA_BACKTRACK: Final = 20  # tokens; A1111's usual number


@dataclass(frozen=True)
class Chunk:
    """What the text encoder reads at once: 77 token numbers and the weight of each; BOS, EOS and padding weigh 1.

    `words`: where vectors that somebody taught take the place of tokens (0 there), and whose.
    """

    tokens: tuple[int, ...]
    weights: tuple[float, ...]
    words: tuple[tuple[int, Word], ...] = ()

    @property
    def seen(self) -> Hashable:
        """All that the text encoder sees of it: chunks of which this is equal are encoded alike."""
        return self.tokens, self.words


def chunk(
    pieces: Iterable[Piece], comma_backtrack: int = COMMA_BACKTRACK, pad: int = EOS, vocabulary: Vocabulary = NO_WORDS
) -> list[Chunk]:
    """The pieces' tokens, 75 to a chunk; at least one chunk. The vectors of a word stay together.

    A chunk that overflows within `comma_backtrack` tokens (0 to 74) after a comma ends at that comma, and what
    followed it begins the next one. Every `BREAK` ends a chunk, even an empty one. `pad` fills up after EOS: EOS
    itself for SD1, 0 for SD2's OpenCLIP.
    """
    filled, last = _fill(pieces, comma_backtrack, vocabulary)
    return [_closed(tokens, pad) for tokens in ([*filled, last] if last or not filled else filled)]


class _Token(NamedTuple):
    """A token's number and weight; of a word the first of its places has the word, all have the number 0."""

    number: int
    weight: float
    word: Word | None = None


_Tokens = list[_Token]


def tokens_of(
    pieces: Iterable[Piece], comma_backtrack: int = COMMA_BACKTRACK, vocabulary: Vocabulary = NO_WORDS
) -> int:
    """How many tokens the pieces take, chunks that ended early counted as full."""
    filled, last = _fill(pieces, comma_backtrack, vocabulary)
    return len(filled) * ROOM + len(last)


def _fill(
    pieces: Iterable[Piece], comma_backtrack: int, vocabulary: Vocabulary = NO_WORDS
) -> tuple[list[_Tokens], _Tokens]:
    """The chunks that were ended, and the last one as far as it is filled."""
    filled: list[_Tokens] = []
    current: _Tokens = []
    comma = -1  # where the last comma of the current chunk stands
    for piece in pieces:
        if piece == BREAK:
            filled.append(current)
            current, comma = [], -1
            continue
        for unit in _units(piece, vocabulary):
            token = unit[0].number
            if len(current) == ROOM:
                near = token != COMMA and comma >= 0 and ROOM - comma <= comma_backtrack
                end = comma + 1 if near else ROOM
                filled.append(current[:end])
                current, comma = current[end:], -1
            elif token == COMMA:
                comma = len(current)
            if len(current) + len(unit) > ROOM:
                filled.append(current)
                current, comma = [], -1
            current += unit
    return filled, current


def _units(piece: Piece, vocabulary: Vocabulary) -> Iterator[_Tokens]:
    """The piece's tokens one by one, those of a word together."""
    tokens, position = encode(piece.text), 0
    while position < len(tokens):
        found = vocabulary.at(tokens, position)
        if found is None:
            yield [_Token(tokens[position], piece.weight)]
            position += 1
        else:
            word, length = found
            yield [_Token(0, piece.weight, word), *[_Token(0, piece.weight)] * (word.vectors - 1)]
            position += length


def _closed(tokens: _Tokens, pad: int) -> Chunk:
    """A chunk between BOS and EOS, filled up to 77. After the first EOS everything is padding if `pad` is not EOS."""
    numbers = [BOS, *(token.number for token in tokens), EOS]
    if pad != EOS:
        numbers = numbers[: numbers.index(EOS) + 1]
    numbers += [pad] * (LENGTH - len(numbers))
    weights = [1.0, *(token.weight for token in tokens)]
    words = tuple((place, token.word) for place, token in enumerate(tokens, 1) if token.word)
    return Chunk(tuple(numbers), tuple(weights + [1.0] * (LENGTH - len(weights))), words)
