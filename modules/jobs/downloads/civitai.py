"""What Civitai's page says of a model's version: kept beside the model, and the hash that its file must have."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from ...catalog.beside import beside
from ...core.files import write_atomically
from .address import CIVITAI
from .hops import authorization

log = logging.getLogger("easel.jobs")

SITE = f"https://{CIVITAI}"
SECONDS = 15.0
LARGEST = 4 << 20  # bytes


def page_of(url: str, keys: Mapping[str, str]) -> dict[str, Any]:
    """The version behind a download's address as Civitai's API tells it; {} for other addresses, or when it does not.
    Of the model itself nothing is missing then.
    """
    version = re.match(re.escape(SITE) + r"/api/download/models/(\d+)", url)
    if version is None:
        return {}
    address = f"{SITE}/api/v1/model-versions/{version[1]}"
    try:
        answer = httpx.get(address, headers=authorization(address, keys), timeout=SECONDS)
        content = json.loads(answer.content) if answer.is_success and len(answer.content) <= LARGEST else {}
    except (httpx.HTTPError, ValueError, RecursionError) as error:
        log.info("Civitai says nothing of version %s: %s", version[1], error)
        return {}
    return content if isinstance(content, dict) else {}


def sha256_in(page: Mapping[str, Any], name: str) -> str:
    """The SHA-256 that a version's page says of its file `name`; "" when it says none."""
    files = page.get("files")
    for file in files if isinstance(files, list) else ():
        hashes = file.get("hashes") if isinstance(file, dict) and file.get("name") == name else None
        said = str(hashes.get("SHA256", "")).lower() if isinstance(hashes, dict) else ""
        if re.fullmatch(r"[0-9a-f]{64}", said):
            return said
    return ""


def keep_page(model: Path, page: Mapping[str, Any]) -> None:
    """Keeps a page as `x.civitai.info` beside the model, where A1111's extensions and our lists look for it; one that
    is there stays.
    """
    place = beside(model, ".civitai.info")
    if page and not place.exists():
        try:
            write_atomically(place, json.dumps(page, indent=2, ensure_ascii=False).encode())
        except OSError as error:
            log.warning("%s cannot be written: %s", place, error)
