"""Who may do what: the one place that decides, before any route, ours, Gradio's or an extension's, sees a request.

A page on this machine is reachable from every web page that its owner visits, so an address alone proves nothing:
- the Host must be one that we serve, which stops foreign names pointed at this machine (DNS rebinding);
- requests that another site caused are refused, except following a link to the page;
- where a password is set, it is asked for by HTTP Basic, compared in constant time, and guessing is slowed down;
- of Gradio's own routes, those that read files or other servers reach nothing but Gradio's cache.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
READING = ("GET", "HEAD", "OPTIONS")
UNUSED = ("proxy=", "vibe-", "undo-vibe-", "dev/", "process_recording", "monitoring")
FOREIGN_HINT = "Open the page itself. A proxy in front of it must pass on the Host header."
FORWARDED = ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded")


@dataclass(frozen=True)
class Refusal:
    """An answer instead of the page: HTTP status, what was wrong, what to do."""

    status: int
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Gate:
    """The policy. `hosts`: further names that this server answers to. `listen`: also any address in numbers.

    `password` is asked of everybody who comes by another name than localhost or through a proxy, with `ask_everybody`
    of all; `user` "" accepts any name. `share`: answer to any name at all, which needs a password.
    `gradio_files`: the only folder that Gradio's file routes may read.
    """

    hosts: frozenset[str] = frozenset()
    listen: bool = False
    password: str | None = None
    user: str = ""
    ask_everybody: bool = False
    share: bool = False
    gradio_files: Path | None = None

    def __post_init__(self) -> None:
        if (self.share or self.ask_everybody) and not self.password:
            raise ValueError("A gate that is open to everybody needs a password.")

    def refusal(self, method: str, path: str, headers: Mapping[str, str], websocket: bool = False) -> Refusal | None:
        """Why a request is not let in, its password aside; None when it is. `headers` by lower-case names."""
        host = headers.get("host", "")
        if not self._serves(host_name(host)):
            return Refusal(
                421,
                f"This server does not answer to the name {host[:100]!r}.",
                "Open it as localhost, or start it with --listen or with that name as --host-name.",
            )
        if foreign(method, headers, websocket):
            return Refusal(403, "Another website sent this request, so it was refused.", FOREIGN_HINT)
        return self._gradio_refusal(path)

    def asks_password(self, headers: Mapping[str, str], address: str) -> bool:
        """Whether this request must show the password. `address`: who connected, since its headers can lie."""
        return self.password is not None and (self.ask_everybody or not at_this_machine(headers, address))

    def knows(self, authorization: str) -> bool:
        """Whether an Authorization header carries the user and password, compared in constant time."""
        kind, _, code = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(code.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        right_user = not self.user or secrets.compare_digest(user.encode(), self.user.encode())
        right_password = secrets.compare_digest(password.encode(), (self.password or "").encode())
        return kind.lower() == "basic" and right_user and right_password and self.password is not None

    def may_name_folders(self, headers: Mapping[str, str], address: str) -> bool:
        """Whether who asks may have the program read a folder of theirs: somebody at this machine, or whoever knows
        the password where all are asked for it.
        """
        return self.ask_everybody or at_this_machine(headers, address)

    def _serves(self, name: str) -> bool:
        if self.share or name in LOCAL or name in self.hosts:
            return bool(name)
        return self.listen and _is_address(name)

    def _gradio_refusal(self, path: str) -> Refusal | None:
        """Gradio serves cached files by path, and has development routes that this page never uses."""
        part = path.lstrip("/").removeprefix("gradio_api/")
        if part.startswith(UNUSED):
            return Refusal(404, "There is nothing here.")
        for route in ("file=", "file/"):
            if part.startswith(route) and not self._may_be_read(part.removeprefix(route)):
                return Refusal(403, "This file is not one that the page showed.", "Pictures are served by their id.")
        return None

    def _may_be_read(self, path: str) -> bool:
        if self.gradio_files is None or "\0" in path:
            return False
        folder = self.gradio_files.resolve()
        return Path(path).is_absolute() and Path(path).resolve().is_relative_to(folder)


def at_this_machine(headers: Mapping[str, str], address: str) -> bool:
    """Whether a request comes from this machine and through no proxy or tunnel. `address`: who connected."""
    forwarded = any(name in headers for name in FORWARDED)
    return not forwarded and address in LOCAL and host_name(headers.get("host", "")) in LOCAL


def host_name(host: str) -> str:
    """The name in a Host header, lower case, without port, brackets and final dot; "" for what is no host."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def foreign(method: str, headers: Mapping[str, str], websocket: bool) -> bool:
    """Whether another site's page caused this request. Scripts, which send neither header, are not pages.

    Browsers say so by `Sec-Fetch-Site`, and in all requests that change something by `Origin`. Another port of this
    machine, or another name under the same domain, is foreign as well: somebody else may be at home there. Following a
    link from elsewhere to our page is fine.
    """
    site = headers.get("sec-fetch-site", "")
    if site in ("cross-site", "same-site"):
        followed_a_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        return websocket or method != "GET" or not followed_a_link
    if method in READING and not websocket:
        return False
    origin = headers.get("origin")
    return origin is not None and not _same_place(origin, headers.get("host", ""))


def _same_place(origin: str, host: str) -> bool:
    """Whether an origin such as http://localhost:7860 is the host that was asked, default ports filled in."""
    try:
        page = urlsplit(origin)
        port = page.port or {"https": 443, "http": 80}.get(page.scheme)
        asked = urlsplit(f"//{host}")
        asked_port = asked.port or {"https": 443, "http": 80}.get(page.scheme)
    except ValueError:
        return False
    return bool(page.hostname) and (page.hostname, port) == (asked.hostname, asked_port)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
