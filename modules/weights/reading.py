"""Who reads a text: each encoder, or group of them, in chunks of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from ..text.chunks import Chunk, chunk
from ..text.grammar import Piece
from .emphasis import Reading, States

if TYPE_CHECKING:
    from .weights import Weights

CLIP, T5 = "CLIP", "T5"  # names of readers


class Reader(NamedTuple):
    """`chunks(pieces, comma_backtrack)`: what it reads at once, one chunk after another; at least one.
    `states(chunk, reading)`: what it makes of one.
    """

    name: str
    chunks: Callable[[Sequence[Piece], int], list[Chunk]]
    states: Callable[[Chunk, Reading], States]


def clip_reader(weights: Weights) -> Reader:
    """CLIP's text encoders: 75 tokens at once, with the words that the model was taught."""

    def chunks(pieces: Sequence[Piece], comma_backtrack: int) -> list[Chunk]:
        return chunk(pieces, comma_backtrack, vocabulary=weights.taught.vocabulary)

    return Reader(CLIP, chunks, weights.states)


def t5_reader(weights: Weights) -> Reader:
    """T5: whole sentences."""

    def chunks(pieces: Sequence[Piece], comma_backtrack: int) -> list[Chunk]:
        return weights.sentences.chunks(pieces)

    @torch.inference_mode()
    def states(one: Chunk, reading: Reading) -> States:
        tokens = torch.tensor([one.tokens], device=weights.device)
        return States((weights.text_encoder.t5(tokens).last_hidden_state[0],))

    return Reader(T5, chunks, states)
