"""The gate as the outermost ASGI layer: it answers for what the gate refuses, and passes on the rest."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .gate import Gate, Refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PROTECTION = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"content-security-policy": b"frame-ancestors 'self'",
    b"x-frame-options": b"SAMEORIGIN",
    b"cross-origin-resource-policy": b"same-origin",
}
FREE_GUESSES = 5
LONGEST_WAIT = 60.0
MOST_GUESSERS = 1000


class Guesses:
    """Wrong passwords by client address: after a few, each further one bars that address for twice as long."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._wrong: dict[str, tuple[int, float]] = {}

    def seconds_barred(self, address: str) -> float:
        """How long no password of this address is looked at."""
        return max(0.0, self._wrong.get(address, (0, 0.0))[1] - self._now())

    def wrong(self, address: str) -> None:
        count = self._wrong.pop(address, (0, 0.0))[0] + 1
        wait = 0.0 if count < FREE_GUESSES else min(LONGEST_WAIT, 2.0 ** (count - FREE_GUESSES))
        self._wrong[address] = (count, self._now() + wait)
        if len(self._wrong) > MOST_GUESSERS:
            del self._wrong[next(iter(self._wrong))]

    def right(self, address: str) -> None:
        self._wrong.pop(address, None)


class Gatekeeper:
    """Wraps an ASGI application."""

    def __init__(self, app: App, gate: Gate, guesses: Guesses | None = None) -> None:
        self._app, self._gate, self._guesses = app, gate, guesses or Guesses()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        websocket = scope["type"] == "websocket"
        refusal = self._gate.refusal(scope.get("method", "GET"), scope["path"], headers, websocket)
        refusal = refusal or self._password_refusal(scope, headers)
        if refusal is None:
            return await self._app(scope, receive, send if websocket else _protected(send))
        if websocket:
            await receive()
            return await send({"type": "websocket.close", "code": 1008, "reason": refusal.message})
        return await _answer(refusal, _protected(send))

    def _password_refusal(self, scope: Scope, headers: dict[str, str]) -> Refusal | None:
        connected = (scope.get("client") or ("",))[0]
        if not self._gate.asks_password(headers, connected):
            return None
        authorization = headers.get("authorization", "")
        if not authorization:
            return Refusal(401, "This page asks for a password.", "It was printed where the program was started.")
        address = _address(scope, headers)
        barred = self._guesses.seconds_barred(address)
        if barred:
            return Refusal(429, f"Too many wrong passwords; wait {barred:.0f} seconds.")
        if self._gate.knows(authorization):
            self._guesses.right(address)
            return None
        self._guesses.wrong(address)
        return Refusal(401, "The password is wrong.", "It was printed where the program was started.")


def _address(scope: Scope, headers: dict[str, str]) -> str:
    """Who asks. A proxy or tunnel on this machine names its client last; from elsewhere such a claim proves nothing."""
    client = (scope.get("client") or ("unknown", 0))[0]
    if client in ("127.0.0.1", "::1") and headers.get("x-forwarded-for"):
        return headers["x-forwarded-for"].rsplit(",", 1)[-1].strip()
    return client


def _protected(send: Send) -> Send:
    """Adds headers that keep browsers from guessing types, embedding the page elsewhere and telling its address."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", [])}
            added = [(name, value) for name, value in PROTECTION.items() if name not in present]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return sending


async def _answer(refusal: Refusal, send: Send) -> None:
    body = json.dumps({"message": refusal.message, "hint": refusal.hint}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="Easel", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
