"""A server that gives a file as badly as servers do: it stalls, drops the line, lies about lengths, sends elsewhere."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Source:
    """What it gives at any path. `tricks`: what it does at the first, second, ... request, "" behaving well: "drop"
    and "stall" after half of what is left, "lie" (says more than it sends), "less" (says less than there is), "busy",
    "page", "refuse", "missing", "elsewhere" (to `onward`), "round" (to itself), "whole" (ignores that only the rest was
    asked for). `pages`: what it says at other paths.
    """

    content: bytes
    etag: str = '"one"'
    name: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    tricks: list[str] = field(default_factory=list)
    onward: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    given: int = 0

    def __enter__(self) -> Source:
        self.over = threading.Event()
        handler = type("Handler", (_Handler,), {"source": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def address(self, path: str = "model.safetensors") -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    source: Source

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        source = self.source
        if page := source.pages.get(self.path):
            self._head(200, {"Content-Type": "application/json"}, len(page))
            return self._send(page)
        source.asked.append({name.lower(): value for name, value in self.headers.items()})
        trick = source.tricks.pop(0) if source.tricks else ""
        status = {"busy": 503, "refuse": 401, "missing": 404, "elsewhere": 302, "round": 302}.get(trick)
        if status:
            where = {"elsewhere": source.onward, "round": source.address()}.get(trick)
            return self._head(status, {"Location": where} if where else {}, 0)
        if trick == "page":
            self._head(200, {"Content-Type": "text/html"}, 6)
            return self._send(b"<html>")
        begin = self._begin() if trick != "whole" else 0
        return self._give(begin, trick)

    def _begin(self) -> int:
        wanted = self.headers.get("Range", "")
        if not wanted or self.headers.get("If-Range") != self.source.etag:
            return 0
        return int(wanted.removeprefix("bytes=").rstrip("-"))

    def _give(self, begin: int, trick: str) -> None:
        source = self.source
        rest, size = source.content[begin:], len(source.content)
        if begin >= size:
            return self._head(416, {"Content-Range": f"bytes */{size}"}, 0)
        headers = {"ETag": source.etag, "Content-Type": "application/octet-stream", **source.headers}
        if source.name:
            headers["Content-Disposition"] = source.name
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{size - 1}/{size}"
        said = {"lie": len(rest) + 1000, "less": len(rest) // 2}.get(trick, len(rest))
        self._head(206 if begin else 200, headers, said)
        self._send(rest[: len(rest) // 2])
        if trick == "stall":
            source.over.wait(60)
        if trick in ("", "whole", "lie"):
            self._send(rest[len(rest) // 2 :])
        self.close_connection = True
        return None

    def _head(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, content: bytes) -> None:
        self.source.given += len(content)
        self.wfile.write(content)
