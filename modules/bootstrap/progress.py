"""What a person sees while pip works: the large downloads, the stage, and that time is passing."""

from __future__ import annotations

import re
import shutil
from typing import TextIO

LARGE = 20e6  # bytes; smaller downloads are only counted
QUIET = 30  # seconds between two signs of life where lines cannot be redrawn

_DOWNLOADING = re.compile(r"\s*Downloading (?P<file>\S+?)(?:\.metadata)? \((?P<size>[\d.]+) (?P<unit>[kMG]?B)\)")
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_BYTES = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


class Progress:
    """Takes pip's output line by line and shows it condensed.

    On a terminal one status line is redrawn every second; elsewhere (a log, CI) it is printed every 30 seconds.
    """

    def __init__(self, stream: TextIO, stage: str) -> None:
        self._stream = stream
        self._redraws = stream.isatty()
        self._status = stage
        self._found = 0
        self._download = ""
        self._retried = False
        self._shown_at = 0.0

    def line(self, line: str) -> None:
        """One line that pip printed."""
        if line.startswith(("Collecting ", "Processing ", "Requirement already satisfied")):
            self._found += 1
            self._status = f"Packages found: {self._found}"
        elif match := _DOWNLOADING.match(line):
            self._start_download(match["file"], float(match["size"]) * _BYTES[match["unit"]])
        elif match := _PROGRESS.match(line):
            done, size = int(match[1]) / 1e6, int(match[2]) / 1e6
            self._status = f"Downloading {self._download}: {done:.0f} of {size:.0f} MB"
        elif line.startswith("Installing collected packages: "):
            count = line.count(",") + 1
            self._status = f"Unpacking {count} package{'s' if count > 1 else ''}"
        elif "Retrying (Retry(" in line and not self._retried:
            self._retried = True
            self.say("The package index does not answer; trying again.")

    def tick(self, seconds: float) -> None:
        """Shows that the work goes on, `seconds` after it began."""
        status = f"  {self._status} ({seconds:.0f} s)"
        if self._redraws:
            self._stream.write("\r" + self._fitted(status))
        elif seconds - self._shown_at >= QUIET:
            self._shown_at = seconds
            self._stream.write(status + "\n")
        self._stream.flush()

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        self._stream.write(f"  {text}\n")
        self._stream.flush()

    def clear(self) -> None:
        if self._redraws:
            self._stream.write("\r" + self._fitted("") + "\r")
            self._stream.flush()

    def _start_download(self, file: str, size: float) -> None:
        name, _, rest = file.rsplit("/", 1)[-1].partition("-")
        self._download = f"{name} {rest.partition('-')[0]}"
        if size >= LARGE:
            self.say(f"{self._download} ({size / 1e6:.0f} MB)")

    def _fitted(self, text: str) -> str:
        """`text` cut or padded to the terminal's width, so that it covers what was there."""
        width = shutil.get_terminal_size().columns - 1
        return text[:width].ljust(width)
