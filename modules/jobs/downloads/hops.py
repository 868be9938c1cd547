"""Where a download may be sent on to, and which key goes to whom."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from ...core.errors import UserError
from .address import CIVITAI, HUGGING_FACE

KEY_SETTINGS = {CIVITAI: "civitai_api_key", HUGGING_FACE: "huggingface_token"}
MOST_REDIRECTS = 5
Resolve = Callable[[str], list[str]]


def addresses_of(host: str) -> list[str]:
    """A host's addresses in numbers; none for a name that is not known here (a proxy may know it)."""
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def check_hop(url: str, before: str, resolve: Resolve = addresses_of) -> None:
    """Raises UserError when an answer of `before` may not send us on to `url`: to anything but the web, to the open
    web from a protected connection, or from the internet to a machine in our own network.
    """
    target, source = urlsplit(url), urlsplit(before)
    host = target.hostname or ""
    if target.scheme not in ("http", "https") or not host or target.username is not None:
        raise _refusal(source.hostname, "an address that is not of the web")
    if source.scheme == "https" and target.scheme != "https":
        raise _refusal(source.hostname, f"an unprotected connection to {host}")
    if host != source.hostname and _public(source.hostname or "", resolve) and not _public(host, resolve):
        raise _refusal(source.hostname, f"{host}, a machine in your own network")


def authorization(url: str, keys: Mapping[str, str]) -> dict[str, str]:
    """The header with the key for this address's host; none for other hosts, and none over an open connection."""
    target = urlsplit(url)
    key = keys.get(target.hostname or "", "") if target.scheme == "https" and target.port in (None, 443) else ""
    return {"Authorization": f"Bearer {key}"} if re.fullmatch(r"[\x21-\x7e]+", key) else {}


def _public(host: str, resolve: Resolve) -> bool:
    """Whether no address of this host is one of a private network; a name that is not known counts as public."""
    try:
        return all(ipaddress.ip_address(one.partition("%")[0]).is_global for one in resolve(host))
    except ValueError:
        return False


def _refusal(host: str | None, where: str) -> UserError:
    return UserError(f"{host} sends on to {where}; that was not followed.", hint="Take the file from another place.")
