"""Words that somebody taught: names of textual inversion embeddings, found among a prompt's tokens as A1111 does."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from .tokenizer import encode


@dataclass(frozen=True)
class Word:
    """A name, how many vectors stand for it in place of its tokens, and what tells it from others of that name."""

    name: str
    vectors: int
    identity: Hashable = None


@dataclass(frozen=True)
class Vocabulary:
    """The words there are. Case does not matter, since the tokenizer knows none; longer names go before shorter."""

    by_first: dict[int, list[tuple[tuple[int, ...], Word]]] = field(default_factory=dict)

    @classmethod
    def of(cls, words: Iterable[Word]) -> Vocabulary:
        """A vocabulary of these; of two with equal tokens the later one counts."""
        spelt = {tuple(encode(word.name)): word for word in words}
        by_first: dict[int, list[tuple[tuple[int, ...], Word]]] = {}
        for tokens in sorted(filter(None, spelt), key=len, reverse=True):
            by_first.setdefault(tokens[0], []).append((tokens, spelt[tokens]))
        return cls(by_first)

    def at(self, tokens: Sequence[int], position: int) -> tuple[Word, int] | None:
        """The longest word that begins at this token, and how many tokens its name takes."""
        for name, word in self.by_first.get(tokens[position], ()):
            if tuple(tokens[position : position + len(name)]) == name:
                return word, len(name)
        return None

    def in_text(self, text: str) -> list[Word]:
        """The words that a text mentions, each once, in order."""
        if not self.by_first:
            return []
        tokens, found, position = encode(text), [], 0
        while position < len(tokens):
            word, length = self.at(tokens, position) or (None, 1)
            found += [word] if word else []
            position += length
        return list(dict.fromkeys(found))


NO_WORDS = Vocabulary()
