"""Captions as CLIP token ids, and the text encoder that is trained on the tokens of this world alone.

The world uses some hundred of CLIP's 49,408 tokens. Training holds one row for each of them and one row for all
others together; the exported table repeats that last row, so that an unknown word is harmless.
"""

from __future__ import annotations

from random import Random

import instant_clip_tokenizer
import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from .captions import FILLER, caption
from .presets import Preset
from .world import random_scene

CONTEXT = 77
VOCABULARY = 49408
START, END = 49406, 49407
UNKNOWN_SHARE = 0.04


class CaptionTokens:
    """Turns captions into rows of the compact table: ids of known tokens, 0 for every other token."""

    def __init__(self) -> None:
        self.tokenizer = instant_clip_tokenizer.Tokenizer()
        filler = {token for words in FILLER for token in self.tokenizer.encode(words)}
        rng = Random(0)
        seen = {token for _ in range(12_000) for token in self.tokenizer.encode(caption(random_scene(rng), rng))}
        seen -= filler - set(self.tokenizer.encode(", "))
        self.known = sorted(seen | {START, END})
        self.row = {token: row for row, token in enumerate(self.known, start=1)}
        self.row_of_end = self.row[END]

    def ids(self, text: str) -> list[int]:
        """77 token ids: start, the words, then end to the last place."""
        words = self.tokenizer.encode(text)[: CONTEXT - 2]
        return [START, *words, *[END] * (CONTEXT - 1 - len(words))]

    def rows(self, text: str, rng: Random | None = None) -> list[int]:
        """The ids as rows of the compact table; with `rng`, an unknown word is slipped in now and then."""
        rows = [self.row.get(token, 0) for token in self.ids(text)]
        if rng and rng.random() < UNKNOWN_SHARE:
            rows.insert(rng.randint(1, 12), 0)
            rows = rows[:CONTEXT]
        return rows


def build_text_encoder(preset: Preset, vocabulary: int) -> CLIPTextModel:
    """CLIP's text transformer in miniature; causal, as in SD1."""
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=preset.text_width,
        intermediate_size=4 * preset.text_width,
        num_hidden_layers=preset.text_layers,
        num_attention_heads=preset.text_heads,
        max_position_embeddings=CONTEXT,
        hidden_act="quick_gelu",
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )
    return CLIPTextModel(config)


def full_table(compact: Tensor, known: list[int]) -> Tensor:
    """The compact table (1 + known, width) spread over CLIP's vocabulary (49408, width)."""
    table = compact[:1].repeat(VOCABULARY, 1)
    table[torch.tensor(known)] = compact[1:]
    return table
