"""Listening: uvicorn, told to end open event streams first when it is stopped."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from ..core.errors import UserError

SECONDS_TO_END = 2  # for Gradio's own long connections, which end only when they are cut


class WebServer(uvicorn.Server):
    """Serves `app` on sockets of `listen_on`. `closing` is called before connections are waited for: an open event
    stream would otherwise keep the program from ending. `options` are uvicorn's.
    """

    def __init__(self, app: ASGIApp, closing: Callable[[], None], **options: object) -> None:
        usual = {"log_level": "warning", "server_header": False, "timeout_graceful_shutdown": SECONDS_TO_END}
        super().__init__(uvicorn.Config(app, **{**usual, **options}))
        self._closing = closing

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ctrl+C and SIGTERM end the serving, not the process: there is more to close, and the exit code is 0."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing()
        await super().shutdown(sockets)


def listen_on(host: str, port: int, tries: int = 1) -> socket.socket:
    """A socket bound to the first free port from `port` on. Raises UserError when none of `tries` ports is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, port + tries):
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, candidate))
            listener.listen(2048)
            return listener
        except OSError as error:
            listener.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES) or error.errno == errno.EACCES:
                raise UserError(
                    f"The address {host} port {candidate} cannot be listened on: {error.strerror}.",
                    hint="Choose another one with --port or --listen.",
                ) from error
    last = f" to {port + tries - 1}" if tries > 1 else ""
    raise UserError(
        f"Port {port}{last} is taken by another program.", hint="Close it, or choose another one with --port."
    )
