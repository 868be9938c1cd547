"""What other programs write into pictures, translated into A1111's text as far as it can be said there.

What cannot is named in the text itself, under "Left out", so that it is told wherever the text is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from . import comfyui, fooocus, invokeai, novelai
from .translation import Translation

Reader = Callable[[Mapping[str, str], tuple[int, int]], Translation | None]
READERS: Final[tuple[Reader, ...]] = (novelai.read, fooocus.read, invokeai.read, comfyui.read)


def translated(texts: Mapping[str, str], size: tuple[int, int]) -> str:
    """A1111's text for what `texts`, by keyword, say in another program's way; "" when none is understood.

    `size` is the picture's. Never raises: what is broken says nothing.
    """
    for read in READERS:
        found = read(texts, size)
        if found is not None:
            return found.text()
    return ""
