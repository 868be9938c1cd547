"""Hides an embedding in a picture as A1111 does."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
from PIL import Image, PngImagePlugin


def table_of(vectors: np.ndarray, name: str) -> dict:
    """The object that is hidden."""
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": {"TORCHTENSOR": vectors.tolist()}}, "name": name}


def in_text(table: dict) -> PngImagePlugin.PngInfo:
    """A PNG's text with the object."""
    info = PngImagePlugin.PngInfo()
    info.add_text("sd-ti-embedding", base64.b64encode(json.dumps(table).encode()).decode())
    return info


def in_pixels(table: dict, picture: Image.Image) -> Image.Image:
    """The picture between its two blocks of data, a black column beside each."""
    packed = np.frombuffer(zlib.compress(json.dumps(table).encode(), 9), np.uint8)
    height = picture.height
    columns = -(-len(packed) // (3 * height))
    packed = np.resize(packed, (height, columns, 3))
    state, sequence = 0, []
    for _ in range(packed.size):
        state = (1664525 * state + 1013904223) % 2**32
        sequence.append(state % 255 & 15)
    mixing = np.array(sequence, np.uint8).reshape(packed.shape)
    pattern = 16 * np.random.default_rng(0).integers(1, 16, packed.shape, dtype=np.uint8)
    low, high = ((half ^ mixing) | pattern for half in (packed & 15, packed >> 4))
    black = np.zeros((height, 1, 3), np.uint8)
    return Image.fromarray(np.concatenate([low, black, np.asarray(picture), black, high], axis=1))
