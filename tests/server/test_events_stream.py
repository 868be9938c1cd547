"""The event stream, through a real server on a real socket."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from modules.server import events_stream
from modules.server.gate import Gate
from modules.server.routes import build_app
from modules.server.serve import WebServer, listen_on
from modules.studio import Studio
from tests.jobs.painting import finished, until


class Served:
    """A running server and its port."""

    def __init__(self, studio: Studio, **options: object) -> None:
        self.listener = listen_on("127.0.0.1", 0)
        self.port = self.listener.getsockname()[1]
        self.server = WebServer(build_app(studio, Gate()), closing=studio.disconnect, **options)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.thread.start()
        until(lambda: self.server.started)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def served(studio):
    server = Served(studio)
    yield server
    server.stop()


class Page:
    """A reader of the event stream."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.connection.request("GET", "/api/events")
        self.answer = self.connection.getresponse()
        self.events = self._read()

    def _read(self) -> Iterator[tuple[str, dict]]:
        kind = ""
        for line in self.answer:
            text = line.decode().rstrip("\n")
            if text.startswith("event: "):
                kind = text[7:]
            elif text.startswith("data: "):
                yield kind, json.loads(text[6:])
            elif text.startswith(":"):
                yield "comment", {}

    def until(self, kind: str, **facts: object) -> tuple[list[str], dict]:
        """The kinds of all events up to the first of this kind with these facts, and its data."""
        kinds = []
        for seen, data in self.events:
            kinds.append(seen)
            if seen == kind and facts.items() <= data.items():
                return kinds, data
        raise AssertionError(f"the stream ended before {kind} {facts}: {kinds}")

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


@pytest.fixture
def pages(served):
    opened = []

    def page() -> Page:
        opened.append(Page(served.port))
        return opened[-1]

    yield page
    for one in opened:
        one.close()


def test_a_page_sees_how_things_stand_and_then_everything_that_happens(pages, studio):
    page = pages()
    assert page.answer.getheader("content-type").startswith("text/event-stream")
    kinds, snapshot = page.until("snapshot")
    assert kinds == ["snapshot"]
    assert snapshot["engine"]["state"] == "ready"
    job = studio.submit({"prompt": "seen", "batch_count": 2, "steps": 3})
    kinds, done = page.until("job", id=job.id, state="finished")
    assert {"job", "progress", "preview", "picture"} <= set(kinds)
    assert [picture["index"] for picture in done["pictures"]] == [0, 1]


def test_a_page_opened_in_the_middle_shows_progress_preview_and_results(pages, studio, engine):
    engine.seconds = 0.005
    job = studio.submit({"batch_count": 500, "steps": 4})
    until(lambda: studio.job(job.id).pictures)
    for page in (pages(), pages()):
        _, snapshot = page.until("snapshot")
        assert snapshot["jobs"][0]["id"] == job.id
        assert snapshot["jobs"][0]["pictures"]
        assert snapshot["progress"]["job"] == job.id
        assert snapshot["preview"]["image"].startswith("data:image/jpeg;base64,")
        _, progress = page.until("progress")
        assert 0 < progress["fraction"] < 1
        _, progress = page.until("progress")
        assert progress["seconds_left"] > 0
    studio.stop(job.id)
    page.until("job", id=job.id, state="stopped")


def test_a_page_that_reads_slowly_slows_nobody(pages, studio, served):
    slow = socket.create_connection(("127.0.0.1", served.port))
    slow.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")  # and never reads
    quick = pages()
    job = studio.submit({"batch_count": 200, "steps": 2})
    assert finished(studio, job.id).state == "finished"
    quick.until("job", id=job.id, state="finished")
    slow.close()


def test_pages_that_went_away_are_forgotten(pages, studio):
    page = pages()
    page.until("snapshot")
    assert studio._bus.watched
    page.close()
    until(lambda: studio._bus.tell("problem", {"message": "x"}) or not studio._bus.watched)


def test_silence_is_broken_by_heartbeats(pages, monkeypatch):
    monkeypatch.setattr(events_stream, "HEARTBEAT", 0.05)
    page = pages()
    kinds, _ = page.until("comment")
    assert kinds == ["snapshot", "comment"]


def test_a_page_that_fell_behind_gets_a_new_snapshot(pages, studio, monkeypatch):
    monkeypatch.setattr(events_stream, "PAUSE", 0.5)
    page = pages()
    page.until("snapshot")
    for number in range(1000):
        studio._bus.tell("picture", {"id": number}, about=str(number))
    kinds, _ = page.until("snapshot")
    assert len(kinds) < 500


def test_open_pages_do_not_keep_the_server_from_ending(studio):
    server = Served(studio, timeout_graceful_shutdown=None)  # it waits for every connection, for ever
    page = Page(server.port)
    page.until("snapshot")
    server.stop()
    assert list(page.events) == []
    page.close()
