"""Fetches one file over HTTP into a `.part`: goes on where it broke off, and believes no length that it did not see."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ...core.errors import Stopped, UserError
from ...core.version import NAME, VERSION
from .address import HUGGING_FACE
from .hops import MOST_REDIRECTS, Resolve, addresses_of, authorization, check_hop
from .names import file_name
from .refusals import Broken, refuse_page, refuse_status, sentence

RESERVE = 200_000_000  # bytes of the disk that a download leaves free
KEPT = "What has arrived is kept: press Resume to go on."
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Pace:
    """How patient a transfer is: seconds to connect, and without a byte; the slowest that counts as going on, in bytes
    per second; tries without any progress; the first and the longest wait between tries, in seconds.
    """

    connect: float = 15.0
    silence: float = 30.0
    slowest: int = 500
    tries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 20.0


@dataclass(frozen=True)
class Told:
    """What the server said of the file: its name, size (None: nothing), version, and SHA-256 ("": nothing)."""

    name: str = ""
    total: int | None = None
    version: str = ""
    sha256: str = ""


UNTOLD, PATIENT = Told(), Pace()


class Transfer:
    """One file on its way. `hear` is told what is known and how many bytes there are; `waits` why it does not go on
    right now. `keys`: the key to send to a host, by its name.
    """

    def __init__(
        self,
        url: str,
        part: Path,
        told: Told,
        hear: Callable[[Told, int], None],
        waits: Callable[[str], None],
        keys: Mapping[str, str],
        pace: Pace,
        resolve: Resolve = addresses_of,
    ) -> None:
        self._url, self._part, self._told = url, part, told
        self._hear, self._waits, self._keys, self._pace, self._resolve = hear, waits, keys, pace, resolve
        self._stopping = threading.Event()
        self._socket: socket.socket | None = None

    def stop(self) -> None:
        """Ends it, from any thread; what has arrived stays."""
        self._stopping.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def run(self) -> Told:
        """Until the whole file is in the part. Raises UserError when it cannot be had, Stopped after `stop`."""
        tries, most = 0, self._size()
        while True:
            try:
                self._attempt()
                return self._told
            except Broken as error:
                self._check_stop()
                tries = 1 if self._size() > most else tries + 1
                most = max(most, self._size())
                if tries >= self._pace.tries:
                    raise UserError(str(error), hint=KEPT if most else "Try again later.") from error
                wait = min(self._pace.longest_wait, self._pace.first_wait * 2 ** (tries - 1))
                self._waits(f"{error} It is tried again in {wait:.0f} s.")
                self._stopping.wait(wait)
                self._check_stop()

    def check(self, wanted: str) -> None:
        """Compares the part with a SHA-256 in hex. Raises UserError, and deletes the part, when it is another."""
        digest = hashlib.sha256()
        with self._part.open("rb") as file:
            while block := file.read(1 << 20):
                self._check_stop()
                digest.update(block)
        if digest.hexdigest() != wanted:
            self._part.unlink()
            raise UserError(
                f"{self._told.name} is not the file that was promised: its SHA-256 begins with "
                f"{digest.hexdigest()[:10]}, not {wanted[:10]}. It was deleted.",
                hint="It was damaged on its way, or is another version. Fetch it again, or from another place.",
            )

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _check_stop(self) -> None:
        if self._stopping.is_set():
            raise Stopped

    def _attempt(self) -> None:
        """One connection, from where the part ends. Raises Broken, UserError or Stopped."""
        have = self._size() if self._told.version else 0  # without a version nobody knows what the rest belongs to
        timeout = httpx.Timeout(self._pace.connect, read=self._pace.silence, write=self._pace.silence)
        agent = {"User-Agent": f"{NAME}/{VERSION}", "Accept": "*/*", "Accept-Encoding": "identity"}
        try:
            with httpx.Client(timeout=timeout, headers=agent) as client, self._answer(client, have) as answer:
                begin = self._begin(answer, have)
                if begin is not None:
                    self._receive(answer, begin)
        except httpx.RequestError as error:
            self._check_stop()
            raise sentence(error, urlsplit(self._url).hostname or "") from error
        except httpx.InvalidURL as error:
            raise UserError(f"This address cannot be asked: {error}.", hint="Check how it is written.") from error
        finally:
            self._socket = None

    @contextlib.contextmanager
    def _answer(self, client: httpx.Client, have: int) -> Iterator[httpx.Response]:
        """The answer of the last of the servers that we are sent to. What each says of the file is noted."""
        going_on = {"Range": f"bytes={have}-", "If-Range": self._told.version} if have else {}
        url, promised = self._url, ""
        for _ in range(MOST_REDIRECTS + 1):
            request = client.build_request("GET", url, headers={**going_on, **authorization(url, self._keys)})
            answer = client.send(request, stream=True)
            with contextlib.closing(answer):
                promised = promised or _promised(answer)
                if not answer.has_redirect_location:
                    self._socket = answer.extensions["network_stream"].get_extra_info("socket")
                    self._told = replace(self._told, sha256=promised or self._told.sha256)
                    yield answer
                    return
            onward = str(answer.url.join(answer.headers["location"]))
            check_hop(onward, url, self._resolve)
            url = onward
        raise UserError(f"{urlsplit(self._url).hostname} sends on and on.", hint="Take the file from another place.")

    def _begin(self, answer: httpx.Response, have: int) -> int | None:
        """Where the answer's bytes belong, None when nothing is missing. Raises Broken, UserError."""
        found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
        total = int(found[2]) if found and found[2] != "*" else None
        if answer.status_code == 416 and have and have == total:
            return None
        same = found and found[1] and int(found[1]) == have and self._told.total in (None, total)
        if answer.status_code == 416 or (answer.status_code == 206 and not same):
            self._part.unlink(missing_ok=True)
            raise Broken("The file is another one than before at its source, so it begins anew.")
        refuse_status(answer)
        refuse_page(answer)
        begin = have if answer.status_code == 206 else 0
        length = answer.headers.get("content-length", "")
        if answer.status_code == 200:
            total = int(length) if length.isdigit() else None
        name = self._told.name or file_name(answer.headers.get("content-disposition", ""), str(answer.url), self._url)
        self._told = replace(self._told, name=name, total=total, version=_version(answer))
        self._check_space(begin)
        self._hear(self._told, begin)
        return begin

    def _receive(self, answer: httpx.Response, begin: int) -> None:
        """Adds what comes to the part. Raises Broken when it comes too slowly, or less of it than was said."""
        size, since, before = begin, time.monotonic(), begin
        with self._part.open("ab" if begin else "wb") as file:
            for block in answer.iter_raw():
                self._check_stop()
                if not size:
                    refuse_page(answer, block)
                self._write(file.write, block)
                size += len(block)
                self._hear(self._told, size)
                if time.monotonic() - since > self._pace.silence:
                    if size - before < self._pace.slowest * self._pace.silence:
                        raise Broken(f"{answer.url.host} sends next to nothing.")
                    since, before = time.monotonic(), size
        if self._told.total is not None and size != self._told.total:
            raise Broken(f"{answer.url.host} sent less than it said.")

    def _write(self, write: Callable[[bytes], int], block: bytes) -> None:
        try:
            write(block)
        except OSError as error:
            raise UserError(f"{self._told.name} cannot be written: {error.strerror}.", hint=KEPT) from error

    def _check_space(self, begin: int) -> None:
        free = shutil.disk_usage(self._part.parent).free
        needed = (self._told.total or 0) - begin + RESERVE
        if free < needed:
            raise UserError(
                f"{self._told.name} needs {needed / 1e9:.1f} GB more, but the disk of {self._part.parent.parent} has "
                f"{free / 1e9:.1f} GB left.",
                hint="Free some space first.",
            )


def _promised(answer: httpx.Response) -> str:
    """The SHA-256 that Hugging Face says of its large files; its name for smaller ones looks otherwise."""
    linked = answer.headers.get("x-linked-etag", "")
    own = answer.headers.get("etag", "") if answer.url.host == HUGGING_FACE else ""
    found = _SHA256.fullmatch((linked or own).removeprefix("W/").strip('"').lower())
    return found[0] if found else ""


def _version(answer: httpx.Response) -> str:
    """By what the server can be asked for the rest of exactly this file (RFC 9110, If-Range); "" if by nothing."""
    mark = answer.headers.get("etag", "")
    return mark if mark.startswith('"') else answer.headers.get("last-modified", "")
