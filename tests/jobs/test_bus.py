from __future__ import annotations

import threading
import time

from modules.jobs.bus import MOST_UNREAD, RESYNC, Bus


def kinds(news: list) -> list[tuple[str, object]]:
    return [(one.kind, one.data.get("n")) for one in news]


def test_news_of_one_subject_replace_each_other_and_keep_their_order_among_others():
    bus = Bus()
    watcher = bus.watch()
    bus.tell("progress", {"n": 1})
    bus.tell("job", {"n": 2}, about="a")
    bus.tell("progress", {"n": 3})
    bus.tell("job", {"n": 4}, about="b")
    bus.tell("preview", {"n": 5})
    bus.tell("job", {"n": 6}, about="a")
    assert kinds(watcher.take()) == [("progress", 3), ("job", 4), ("preview", 5), ("job", 6)]
    assert watcher.take() == []


def test_every_watcher_reads_at_its_own_pace():
    bus = Bus()
    quick, slow = bus.watch(), bus.watch()
    seen = []
    for number in range(5):
        bus.tell("preview", {"n": number})
        seen += kinds(quick.take())
    assert seen == [("preview", number) for number in range(5)]
    assert kinds(slow.take()) == [("preview", 4)]


def test_a_watcher_that_never_reads_keeps_little_and_is_told_to_look_anew():
    bus = Bus()
    watcher = bus.watch()
    for number in range(MOST_UNREAD * 5):
        bus.tell("picture", {"n": number}, about=str(number))
    assert watcher.take() == [RESYNC]
    bus.tell("picture", {"n": -1}, about="later")
    assert kinds(watcher.take()) == [("picture", -1)]


def test_telling_does_not_wait_for_a_watcher_that_does_not_read():
    bus = Bus()
    for _ in range(20):
        bus.watch()
    began = time.monotonic()
    for number in range(2000):
        bus.tell("preview", {"image": "x" * 50_000, "n": number})
    assert time.monotonic() - began < 2.0


def test_a_watcher_is_woken_once_for_many_news():
    bus, woken = Bus(), []
    watcher = bus.watch(lambda: woken.append(1))
    for number in range(10):
        bus.tell("job", {"n": number}, about=str(number))
    assert len(woken) == 1
    watcher.take()
    bus.tell("job", {}, about="x")
    assert len(woken) == 2


def test_waiting_ends_when_news_come_and_when_the_program_closes():
    bus = Bus()
    watcher = bus.watch()
    threading.Timer(0.02, lambda: bus.tell("job", {"n": 1})).start()
    assert kinds(watcher.wait(5)) == [("job", 1)]
    threading.Timer(0.02, bus.close).start()
    began = time.monotonic()
    assert watcher.wait(5) == []
    assert time.monotonic() - began < 2
    assert watcher.closed
    assert bus.watch().closed


def test_nothing_is_kept_for_a_watcher_that_left():
    bus = Bus()
    with bus.watch() as watcher:
        assert bus.watched
    bus.tell("job", {})
    assert watcher.take() == []
    assert not bus.watched


def test_a_resync_reaches_everybody_who_watches():
    bus = Bus()
    first, second = bus.watch(), bus.watch()
    bus.tell("job", {"n": 1})
    bus.resync()
    assert [watcher.take()[-1] for watcher in (first, second)] == [RESYNC, RESYNC]
