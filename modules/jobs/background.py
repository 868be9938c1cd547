"""Work that nobody waits for, done by a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable

log = logging.getLogger("easel.jobs")


class Background:
    """Does what is wished for, the latest wish first: whoever looks at something now comes before those who looked
    earlier. A wish takes the place of an older one with the same key; of more than `most`, the oldest are forgotten.
    """

    def __init__(self, name: str, most: int = 8) -> None:
        self._name, self._most = name, most
        self._wishes: dict[Hashable, Callable[[], None]] = {}
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    @property
    def closing(self) -> bool:
        """Long work asks this now and then, and ends early."""
        return self._closing

    def wish(self, key: Hashable, work: Callable[[], None]) -> None:
        with self._news:
            self._wishes.pop(key, None)
            self._wishes[key] = work
            while len(self._wishes) > self._most:
                del self._wishes[next(iter(self._wishes))]
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._news.notify()

    def close(self, seconds: float) -> bool:
        """Forgets all wishes. Gives whether what was being done has ended in that time."""
        with self._news:
            self._closing = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def _work(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception:  # a border: whatever is wrong with one piece of work must not end the others
                log.exception("Something could not be done in the background.")

    def _next(self) -> Callable[[], None] | None:
        with self._news:
            self._news.wait_for(lambda: self._wishes or self._closing)
            return None if self._closing else self._wishes.popitem()[1]
