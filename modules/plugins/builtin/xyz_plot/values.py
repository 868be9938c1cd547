"""The values of an axis as people write them: A1111's syntax.

1, 2.5, 4               one after another; "a value, with a comma" in quotes
1-5    10-1             both ends included, in steps of 1
1-10 (+3)    10-1 (-3)  in steps
1-10 [5]                five of them, evenly spread
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from fractions import Fraction

from modules.plugins.api import UserError

MOST_VALUES = 1000

_NUMBER = r"([+-]?\s*(?:\d+(?:\.\d*)?|\.\d+))"
_RANGE = re.compile(rf"{_NUMBER}\s*-\s*{_NUMBER}\s*(?:\(\s*{_NUMBER}\s*\))?", re.ASCII)
_COUNT = re.compile(rf"{_NUMBER}\s*-\s*{_NUMBER}\s*\[\s*(\d{{1,6}})\s*\]", re.ASCII)


def listed(text: str, *, empty: bool = False) -> list[str]:
    """The values with commas or line ends between them, those in quotes whole; `empty` ones are left out or not."""
    try:
        rows = list(csv.reader(io.StringIO(text), skipinitialspace=True))
    except csv.Error as error:
        raise UserError(f"The values {text[:60]!r} cannot be read: {error}.") from error
    return [value.strip() for value in itertools.chain.from_iterable(rows) if empty or value.strip()]


def joined(values: list[str]) -> str:
    """The text that `listed` reads as these values."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def numbers(text: str, *, whole: bool) -> list[str]:
    """The values with ranges spelt out; `whole` numbers lose what is behind the point. What is no range stays as it
    is. Raises UserError for a range without end.
    """
    found = [number for value in listed(text) for number in _spread(value, whole)]
    if len(found) > MOST_VALUES:
        raise UserError(f"{text[:60]!r} makes {len(found):,} values, but at most {MOST_VALUES:,} can be plotted.")
    return found


def _spread(value: str, whole: bool) -> list[str]:
    if match := _COUNT.fullmatch(value):
        first, last = map(_number, match.groups()[:2])
        count = int(match.group(3))
        if not 1 <= count <= MOST_VALUES:
            raise UserError(f"{value!r} asks for {count:,} values; it must be 1 to {MOST_VALUES:,}.")
        apart = (last - first) / max(1, count - 1)
        return [_written(first + apart * number, whole) for number in range(count)]
    if match := _RANGE.fullmatch(value):
        first, last = map(_number, match.groups()[:2])
        step = _number(match.group(3)) if match.group(3) else Fraction(1 if last >= first else -1)
        if step == 0 or (last - first) / step < 0:
            raise UserError(f"{value!r} never gets from {_written(first, whole)} to {_written(last, whole)}.")
        count = int((last - first) / step) + 1
        if count > MOST_VALUES:
            raise UserError(f"{value!r} makes {count:,} values, but at most {MOST_VALUES:,} can be plotted.")
        return [_written(first + step * number, whole) for number in range(count)]
    return [value]


def _number(text: str) -> Fraction:
    """Exact, so that 0-1 (+0.1) ends with 1."""
    return Fraction(re.sub(r"\s", "", text))


def _written(number: Fraction, whole: bool) -> str:
    return str(int(number)) if whole else f"{round(float(number), 9):.10g}"
