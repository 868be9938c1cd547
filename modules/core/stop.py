"""How somebody outside asks a running generation to stop, or to be looked into."""

from __future__ import annotations

import threading

from .errors import Stopped


class StopToken:
    """Asked at every step. `interrupt` ends the job, `skip` only the batch being made; `watch` has its insides told
    from the next step on. Safe from any thread.
    """

    watched = False

    def __init__(self) -> None:
        self._interrupted = threading.Event()
        self._skipped = threading.Event()

    def interrupt(self) -> None:
        self._interrupted.set()

    def skip(self) -> None:
        self._skipped.set()

    def watch(self) -> None:
        self.watched = True

    @property
    def interrupted(self) -> bool:
        return self._interrupted.is_set()

    def check(self) -> None:
        """Raises Stopped when the batch being made should end."""
        if self._interrupted.is_set() or self._skipped.is_set():
            raise Stopped

    def next_batch(self) -> None:
        """A skip has been obeyed; the next batch is made."""
        self._skipped.clear()
