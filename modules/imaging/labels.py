"""Grids that say what is where: words above the columns and left of the rows, wrapped and made to fit."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from PIL import Image, ImageDraw, ImageFont

SMALLEST_FONT, LARGEST_FONT = 13, 40
INK, FAINT, PAPER, EMPTY = (20, 20, 20), (165, 165, 165), (255, 255, 255), (232, 232, 232)
SPACING = 1.25  # line height in font sizes
MOST_LINES, MOST_LETTERS = 12, 300


@dataclass(frozen=True)
class Words:
    """A piece of a label on lines of its own; what is not `active` is faint and struck out."""

    text: str
    active: bool = True


Label = str | Sequence[Words]


def labelled_grid(
    pictures: Sequence[numpy.ndarray | None], columns: Sequence[Label], rows: Sequence[Label], margin: int = 0
) -> numpy.ndarray:
    """The pictures, uint8 (h, w, 3), row by row under their labels, `margin` pixels apart; uint8 (H, W, 3).

    The cells have the size of the largest picture. None leaves a cell empty. At least one picture must be there.
    """
    height, width = cell_size(pictures)
    size = min(LARGEST_FONT, max(SMALLEST_FONT, (width + height) // 24))
    left, row_labels = _beside(rows, width, height, size)
    top, column_labels = _above(columns, width, size)
    sheet_width = left + len(columns) * width + (len(columns) - 1) * margin
    sheet_height = top + len(rows) * height + (len(rows) - 1) * margin
    sheet = Image.new("RGB", (sheet_width, sheet_height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, len(columns))
        at = left + column * (width + margin), top + row * (height + margin)
        if picture is None:
            draw.rectangle((*at, at[0] + width - 1, at[1] + height - 1), EMPTY)
        else:
            sheet.paste(Image.fromarray(picture), at)
    for column, label in enumerate(column_labels):
        label.draw(draw, left + column * (width + margin) + width // 2, top // 2)
    for row, label in enumerate(row_labels):
        label.draw(draw, left // 2, top + row * (height + margin) + height // 2)
    return numpy.asarray(sheet)


def cell_size(pictures: Sequence[numpy.ndarray | None]) -> tuple[int, int]:
    """(height, width) of the largest among the pictures."""
    there = [picture for picture in pictures if picture is not None]
    return max(one.shape[0] for one in there), max(one.shape[1] for one in there)


@dataclass(frozen=True)
class Fitted:
    """A label as lines of a size; (text, active) each."""

    lines: tuple[tuple[str, bool], ...]
    size: int

    @property
    def width(self) -> int:
        return max((round(_length(text, self.size)) for text, _ in self.lines), default=0)

    @property
    def height(self) -> int:
        return round(len(self.lines) * self.size * SPACING)

    def draw(self, draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
        """Centred at a point."""
        line_height = self.size * SPACING
        for number, (text, active) in enumerate(self.lines):
            middle = y - self.height / 2 + (number + 0.5) * line_height
            draw.text((x, middle), text, fill=INK if active else FAINT, font=_font(self.size), anchor="mm")
            if not active:
                half = _length(text, self.size) / 2
                draw.line((x - half, middle, x + half, middle), FAINT, max(1, self.size // 12))


def fitted(label: Label, width: int, height: int, size: int) -> Fitted:
    """The label in lines of at most `width` pixels: in a smaller font where it is too high, then cut off with `...`."""
    pieces = [Words(label)] if isinstance(label, str) else label
    pieces = [Words(piece.text[:MOST_LETTERS], piece.active) for piece in pieces]
    while True:
        lines = [(line, piece.active) for piece in pieces if piece.text for line in _wrapped(piece.text, width, size)]
        most = max(1, min(MOST_LINES, int(height / (size * SPACING))))
        if len(lines) <= most:
            return Fitted(tuple(lines), size)
        if size <= SMALLEST_FONT:
            return Fitted((*lines[: most - 1], (_cut(lines[most - 1][0], width, size), lines[most - 1][1])), size)
        size = max(SMALLEST_FONT, int(size * 0.85))


def _above(columns: Sequence[Label], width: int, size: int) -> tuple[int, list[Fitted]]:
    labels = [fitted(label, width - size // 2, max(width, 6 * size), size) for label in columns]
    highest = max(label.height for label in labels)
    return (highest + size if highest else 0), labels


def _beside(rows: Sequence[Label], width: int, height: int, size: int) -> tuple[int, list[Fitted]]:
    """Row labels take what they need, at most as much as a cell."""
    most = max(width, 8 * size)
    labels = [fitted(label, most, height, size) for label in rows]
    widest = max(label.width for label in labels)
    return (widest + 2 * size if widest else 0), labels


def _wrapped(text: str, width: int, size: int) -> list[str]:
    """The text in lines, broken between words, and inside those that are too long."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        together = f"{line} {word}".strip()
        if _length(together, size) <= width:
            line = together
            continue
        if line:
            lines.append(line)
        while _length(word, size) > width and len(word) > 1:
            fits = 1
            while _length(word[: fits + 1], size) <= width:
                fits += 1
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, line] if line else lines


def _cut(text: str, width: int, size: int) -> str:
    while text and _length(f"{text}...", size) > width:
        text = text[:-1]
    return f"{text.rstrip()}..."


def _length(text: str, size: int) -> float:
    return _font(size).getlength(text)


@functools.lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
