"""News for everybody who watches. Telling never waits: a watcher that does not read misses only what is outdated."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST_UNREAD = 200


@dataclass(frozen=True)
class News:
    """One message. `data` is JSON-able; news with the same `about` replace each other while unread."""

    kind: str
    data: dict[str, Any]
    about: str = ""


RESYNC = News("resync", {})


class Watcher:
    """A mailbox that keeps the newest news of each subject, in order. At most `MOST_UNREAD` subjects: beyond that it
    holds one `resync` instead, which asks its reader to look at everything anew.

    `wake` is called, in the teller's thread, when news come to an empty mailbox; it must return at once.
    """

    def __init__(self, wake: Callable[[], None], leave: Callable[[Watcher], None]) -> None:
        self._lock = threading.Lock()
        self._unread: dict[tuple[str, str], News] = {}
        self._arrived = threading.Event()
        self._wake, self._leave = wake, leave
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the program is ending: no more news will come."""
        return self._closed

    def take(self) -> list[News]:
        """All unread news, the oldest first; now read."""
        with self._lock:
            unread, self._unread = list(self._unread.values()), {}
            self._arrived.clear()
        return unread

    def wait(self, seconds: float | None = None) -> list[News]:
        """Like `take`, but waits for the first one if there is none yet."""
        if not self._closed:
            self._arrived.wait(seconds)
        return self.take()

    def leave(self) -> None:
        """Wants no more news."""
        self._leave(self)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def put(self, news: News) -> None:
        key = (news.kind, news.about)
        with self._lock:
            was_empty = not self._unread
            if (RESYNC.kind, RESYNC.about) in self._unread:
                return
            self._unread.pop(key, None)
            self._unread[key] = news
            if len(self._unread) > MOST_UNREAD:
                self._unread = {(RESYNC.kind, RESYNC.about): RESYNC}
            self._arrived.set()
        if was_empty:
            self._wake()

    def close(self) -> None:
        self._closed = True
        self._arrived.set()
        self._wake()


class Bus:
    """Tells every watcher. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: tuple[Watcher, ...] = ()
        self._closed = False

    def watch(self, wake: Callable[[], None] = lambda: None) -> Watcher:
        """A mailbox for all news from now on."""
        watcher = Watcher(wake, self._leave)
        with self._lock:
            self._watchers = (*self._watchers, watcher)
            closed = self._closed
        if closed:
            watcher.close()
        return watcher

    def tell(self, kind: str, data: dict[str, Any], about: str = "") -> None:
        for watcher in self._watchers:
            watcher.put(News(kind, data, about))

    def resync(self) -> None:
        """Asks every watcher to look at everything anew."""
        for watcher in self._watchers:
            watcher.put(RESYNC)

    @property
    def watched(self) -> bool:
        return bool(self._watchers)

    def close(self) -> None:
        """Wakes all watchers for the last time."""
        with self._lock:
            self._closed = True
        for watcher in self._watchers:
            watcher.close()

    def _leave(self, watcher: Watcher) -> None:
        with self._lock:
            self._watchers = tuple(other for other in self._watchers if other is not watcher)
