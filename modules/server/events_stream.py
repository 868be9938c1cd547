"""`GET /api/events`: the studio's news as server-sent events, for as long as a page stays open."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from ..jobs.bus import RESYNC
from ..studio import Studio

HEARTBEAT = 15.0  # seconds of silence after which proxies and tunnels might think the connection dead
PAUSE = 0.04  # seconds between deliveries: news that come faster are merged


def events_router(studio: Studio) -> APIRouter:
    router = APIRouter()

    @router.get("/api/events")
    async def events() -> StreamingResponse:
        """First a `snapshot` of everything, then every change."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(studio), media_type="text/event-stream", headers=headers)

    return router


async def _stream(studio: Studio) -> AsyncIterator[str]:
    """Ends when the reader goes away (this iterator is closed then) or the studio disconnects."""
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()
    with studio.watch(lambda: _wake(loop, arrived)) as watcher:
        yield _event("snapshot", await run_in_threadpool(studio.snapshot))
        while not watcher.closed:
            try:
                await asyncio.wait_for(arrived.wait(), HEARTBEAT)
            except asyncio.TimeoutError:
                yield ": still here\n\n"
                continue
            arrived.clear()
            for news in watcher.take():
                if news is RESYNC:
                    yield _event("snapshot", await run_in_threadpool(studio.snapshot))
                else:
                    yield _event(news.kind, news.data)
            await asyncio.sleep(PAUSE)


def _wake(loop: asyncio.AbstractEventLoop, arrived: asyncio.Event) -> None:
    """Called in the teller's thread. A loop that has ended meanwhile needs no waking."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(arrived.set)


def _event(kind: str, data: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps(data, allow_nan=False)}\n\n"
