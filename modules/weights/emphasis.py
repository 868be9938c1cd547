"""From what the text encoders make of each chunk to what the UNet reads: emphasis applied, chunks joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..diffusion.channels import POOLED, TEXT
from ..diffusion.denoiser import Conditioning
from ..text.chunks import Chunk


class Reading(NamedTuple):
    """How the text encoders are read: the `clip_skip`-th layer from the end, and whether that holds for SDXL too."""

    clip_skip: int = 1
    sdxl_clip_l_skip: bool = False


PLAIN = Reading()


class States(NamedTuple):
    """What the text encoders make of one chunk: (77, width) from each, and a vector (1, width) of all, if they have."""

    hidden: tuple[Tensor, ...]
    pooled: Tensor | None = None

    @property
    def nbytes(self) -> int:
        return sum(one.nbytes for one in (*self.hidden, self.pooled) if one is not None)


class Text(NamedTuple):
    """A text's chunks, what the encoders make of each, and how often it comes up in its prompt."""

    chunks: Sequence[Chunk]
    states: Sequence[States]
    times: int = 1


def conditionings(texts: Sequence[Text], dtype: torch.dtype, *, restoring: bool = True) -> list[Conditioning]:
    """The texts of one prompt, all with equally many chunks, each as (1, 77 * chunks, width) in `dtype`; where there is
    a pooled vector, that as "text", and the first chunk's vector as "pooled".

    Every token's states are multiplied by its weight. `restoring`: all is then multiplied so that the mean of each
    chunk's states stays what it was, taken over all texts of the prompt together as A1111 does.
    """
    rows = [[] for _ in texts]
    for position in range(len(texts[0].chunks)):
        for row, chunk_states in zip(rows, _emphasised(texts, position, restoring), strict=True):
            row.append(torch.cat(chunk_states, dim=-1).to(dtype))
    found: list[Conditioning] = []
    for text, row in zip(texts, rows, strict=True):
        joined, pooled = torch.cat(row)[None], text.states[0].pooled
        found.append(joined if pooled is None else {TEXT: joined, POOLED: pooled})
    return found


def _emphasised(texts: Sequence[Text], position: int, restoring: bool) -> list[list[Tensor]]:
    """By text and encoder: the states of the chunk at `position`, float32."""
    weights = [torch.tensor(text.chunks[position].weights) for text in texts]
    found: list[list[Tensor]] = [[] for _ in texts]
    for encoder in range(len(texts[0].states[position].hidden)):
        plain = [text.states[position].hidden[encoder].float() for text in texts]
        weighted = [
            states if bool((weight == 1).all()) else states * weight.to(states.device)[:, None]
            for states, weight in zip(plain, weights, strict=True)
        ]
        if restoring and any(one is not other for one, other in zip(plain, weighted, strict=True)):
            ratio = _mean(plain, texts) / _mean(weighted, texts)
            weighted = [states * ratio for states in weighted]
        for row, states in zip(found, weighted, strict=True):
            row.append(states)
    return found


def _mean(states: Sequence[Tensor], texts: Sequence[Text]) -> Tensor:
    """The mean over the states of all texts, those that come up several times counted so often."""
    total = sum(one.mean() * text.times for one, text in zip(states, texts, strict=True))
    return total / sum(text.times for text in texts)


def as_long(conditioning: Conditioning, tokens: int) -> Conditioning:
    """The conditioning with its last vector repeated up to `tokens`; one that is as long comes back as it is."""
    text = text_of(conditioning)
    missing = tokens - text.shape[1]
    if missing <= 0:
        return conditioning
    return with_text(conditioning, torch.cat([text, text[:, -1:].expand(-1, missing, -1)], dim=1))


def text_of(conditioning: Conditioning) -> Tensor:
    """The tokens' vectors in a conditioning: (rows, tokens, width)."""
    return conditioning if isinstance(conditioning, Tensor) else conditioning[TEXT]


def with_text(conditioning: Conditioning, text: Tensor) -> Conditioning:
    """The conditioning with other vectors for its tokens."""
    return text if isinstance(conditioning, Tensor) else {**conditioning, TEXT: text}
