"""What people call a file on the web, turned into the address that it is fetched from."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from ...core.errors import UserError

HUGGING_FACE, CIVITAI = "huggingface.co", "civitai.com"
_HUGGING_FACE_NAMES = (HUGGING_FACE, "www.huggingface.co", "hf.co")
_CIVITAI_NAMES = (CIVITAI, "www.civitai.com")
LONGEST = 4000
FORMS = "Paste a web address (https://...), or a Hugging Face one like owner/name/file.safetensors."
FILE_PAGE = 'Open "Files and versions" there, click the file and copy the address of its page.'
VERSION_PAGE = "Copy the address behind its download button, or of the page with a version chosen."


def address_of(text: str) -> str:
    """The https (or http) address of a file: of a page of Hugging Face's or Civitai's, the file's that it shows;
    `hf:owner/name/file`, `owner/name/file` and these with `@revision` behind. Raises UserError.
    """
    text = text.strip()
    if not text or len(text) > LONGEST or any(ord(letter) < 33 or ord(letter) == 127 for letter in text):
        raise UserError("This is no address of a file.", hint=FORMS)
    scheme = re.match(r"([a-z][a-z0-9+.-]*):(?!\d)", text, re.IGNORECASE)
    if text.lower().startswith("hf:"):
        return _of_hugging_face(text[3:].lstrip("/"))
    if scheme and scheme[1].lower() not in ("http", "https"):
        raise UserError(f"Files are fetched by http and https, not {scheme[1][:20]}.", hint=FORMS)
    if scheme:
        return _of_web(text)
    if re.match(r"[^/@]+\.[^/]+/", text):  # a host: owners of models have no dot in their names
        return _of_web(f"https://{text}")
    return _of_hugging_face(text)


def _of_hugging_face(text: str) -> str:
    path, _, revision = text.partition("@")
    parts = [part for part in path.split("/") if part]
    if len(parts) < 3 or any(part in (".", "..") for part in parts):
        raise UserError(f"{text[:80]!r} names no file of a Hugging Face model.", hint=FORMS)
    file = "/".join(quote(part) for part in parts[2:])
    return f"https://{HUGGING_FACE}/{quote(parts[0])}/{quote(parts[1])}/resolve/{quote(revision or 'main', '')}/{file}"


def _of_web(text: str) -> str:
    try:
        address = urlsplit(text)
        host, _ = (address.hostname or "").lower(), address.port
    except ValueError as error:
        raise UserError("This is no address of a file.", hint=FORMS) from error
    if not host:
        raise UserError("This address names no server.", hint=FORMS)
    if address.username is not None:
        raise UserError("This address carries a user name; such are not sent.", hint="Leave out what stands before @.")
    path, query = address.path, address.query
    if host in _HUGGING_FACE_NAMES:
        host, path, query = HUGGING_FACE, _file_path(path), ""
    elif host in _CIVITAI_NAMES:
        host, path, query = CIVITAI, *_version(path, query)
    else:
        host = address.netloc
    return urlunsplit((address.scheme.lower(), host, path or "/", query, ""))


def _file_path(path: str) -> str:
    """/owner/name/resolve/revision/file for this and for the page of the file. Raises UserError."""
    parts = [part for part in path.split("/") if part]
    if len(parts) < 5 or parts[2] not in ("blob", "resolve", "raw"):
        raise UserError("This is the page of a model at Hugging Face, not of one of its files.", hint=FILE_PAGE)
    return "/" + "/".join([*parts[:2], "resolve", *parts[3:]])


def _version(path: str, query: str) -> tuple[str, str]:
    """Path and query of Civitai's download of a version, for this and for the page that shows it. Raises UserError."""
    if re.fullmatch(r"/api/download/models/\d+/?", path):
        return path, query
    version = parse_qs(query).get("modelVersionId", [""])[0]
    if path.startswith("/models/") and version.isdigit():
        return f"/api/download/models/{version}", ""
    raise UserError("This is a page of Civitai's that does not say which version of a model.", hint=VERSION_PAGE)
