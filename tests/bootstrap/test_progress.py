"""What is shown of pip's output."""

from __future__ import annotations

import io

from modules.bootstrap.progress import Progress

PIP = """\
Collecting torch==2.13.0 (from -r requirements.txt (line 1))
  Downloading torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl (526.6 MB)
Progress 0 of 526600000
Progress 131650000 of 526600000
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_for_large_downloads_and_one_every_half_minute() -> None:
    log = io.StringIO()
    progress = Progress(log, "Working")
    for line in PIP.splitlines():
        progress.line(line)
    for seconds in range(1, 62):
        progress.tick(seconds)
    progress.line("Collecting pluggy")
    progress.line("  Downloading pluggy-1.7.0-py3-none-any.whl (20 kB)")
    progress.line("Installing collected packages: pluggy, torch")
    progress.tick(90)
    assert log.getvalue().splitlines() == [
        "  torch 2.13.0 (527 MB)",
        "  Downloading torch 2.13.0: 132 of 527 MB (30 s)",
        "  Downloading torch 2.13.0: 132 of 527 MB (60 s)",
        "  Unpacking 2 packages (90 s)",
    ]


def test_a_terminal_gets_one_line_that_is_redrawn_and_cleared() -> None:
    terminal = Terminal()
    progress = Progress(terminal, "Working")
    progress.line("Collecting pluggy")
    progress.tick(1)
    progress.tick(2)
    shown = [line.strip() for line in terminal.getvalue().split("\r")[1:]]
    assert shown == ["Packages found: 1 (1 s)", "Packages found: 1 (2 s)"]
    progress.clear()
    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().rsplit("\r", 2)[-2].strip() == ""


def test_an_index_that_does_not_answer_is_mentioned_once() -> None:
    log = io.StringIO()
    progress = Progress(log, "Working")
    for left in (4, 3, 2):
        progress.line(f"WARNING: Retrying (Retry(total={left}, connect=None)) after connection broken")
    assert log.getvalue() == "  The package index does not answer; trying again.\n"
