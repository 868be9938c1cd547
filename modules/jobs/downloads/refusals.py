"""What servers and networks say when they do not give a file, in words for the person who asked for it."""

from __future__ import annotations

import httpx

from ...core.errors import UserError
from .address import CIVITAI, HUGGING_FACE

PAGES = ("text/html", "application/xhtml+xml", "application/json", "application/xml", "text/xml")
BEGINNINGS = (b"<!doctype", b"<html", b"<?xml", b'{"error')
LOGINS = {
    CIVITAI: "It wants you to be known: make an API key in your account there and put it into the settings.",
    HUGGING_FACE: "Accept the model's terms on its page there, and put an access token into the settings.",
}
LOGIN = "It probably needs a login: fetch it in a browser and put the file into the models folder."
LINK = "Check the address, best by opening it in a browser."


class Broken(Exception):
    """It broke off in a way that may mend itself."""


def sentence(error: httpx.RequestError, host: str) -> Exception:
    """What a failed connection is raised as: Broken, or UserError where trying again is of no use."""
    said = str(error).lower()
    if "certificate" in said:
        return UserError(f"The connection to {host} is not safe: {error}.", hint="Is this computer's clock right?")
    if isinstance(error, httpx.UnsupportedProtocol):
        return UserError("Files are fetched by http and https only.", hint=LINK)
    if isinstance(error, httpx.ConnectError) and any(word in said for word in ("name", "getaddrinfo", "nodename")):
        return Broken(f"{host} cannot be found. Is this computer connected to the internet, and the name right?")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return Broken(f"{host} cannot be reached. Is this computer connected to the internet?")
    if isinstance(error, httpx.TimeoutException):
        return Broken(f"{host} has sent nothing for a while.")
    return Broken(f"The connection to {host} broke off.")


def refuse_status(answer: httpx.Response) -> None:
    """Raises UserError for what stays as it is, Broken for what may pass; nothing for 200 and 206."""
    status, host = answer.status_code, answer.url.host
    if status in (200, 206):
        return
    if status in (401, 403):
        raise UserError(f"{host} does not give this file to everybody ({status}).", hint=LOGINS.get(host, LOGIN))
    if status in (404, 410):
        raise UserError(f"{host} has no such file ({status}).", hint=LINK)
    if status in (408, 425, 429) or status >= 500:
        raise Broken(f"{host} cannot answer now ({status}).")
    raise UserError(f"{host} answers {status}, not with a file.", hint=LINK)


def refuse_page(answer: httpx.Response, begins: bytes = b"") -> None:
    """Raises UserError when what comes is a page or a message in place of the file."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    host = answer.url.host
    if kind in PAGES or begins.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(BEGINNINGS):
        raise UserError(f"{host} answered with a page, not with a file.", hint=LOGINS.get(host, LOGIN))
    if answer.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise UserError(f"{host} packs the file on its way, so that it cannot be checked.", hint=LINK)
