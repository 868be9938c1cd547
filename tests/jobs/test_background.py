"""Work in the background: the latest wish first, one per key, a few at most, and none once it is closed."""

from __future__ import annotations

import threading

import pytest

from modules.jobs.background import Background
from tests.jobs.painting import until


@pytest.fixture
def held():
    """Background work whose first piece goes on until the test says so."""
    background, may_go = Background("test", most=3), threading.Event()
    begun = threading.Event()
    background.wish("first", lambda: (begun.set(), may_go.wait(10)))
    begun.wait(10)
    yield background, may_go
    may_go.set()
    background.close(10)


def test_what_is_wished_last_is_done_first_once_a_key_and_the_oldest_of_too_many_never(held):
    background, may_go = held
    done = []
    for key in ("a", "b", "c", "a", "d"):
        background.wish(key, lambda key=key: done.append(key))
    may_go.set()
    until(lambda: len(done) == 3)
    assert done == ["d", "a", "c"]


def test_a_piece_that_fails_does_not_end_the_others_and_nothing_is_begun_after_closing(held, caplog):
    background, may_go = held
    done = []
    background.wish("good", lambda: done.append("good"))
    background.wish("bad", lambda: 1 / 0)
    may_go.set()
    until(lambda: done)
    assert "could not be done" in caplog.text
    assert background.close(10) and background.closing
    background.wish("late", lambda: done.append("late"))
    assert done == ["good"]
