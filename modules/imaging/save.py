"""Pictures onto disk: whole or not at all, numbered, never over another file."""

from __future__ import annotations

import errno
import io
import logging
import os
import time
import uuid
from pathlib import Path
from typing import Final

import numpy
from PIL import Image

from ..core.errors import UserError
from .metadata import KEYWORD, LONGEST_JPEG_EXIF, exif, storable
from .naming import LONGEST_NAME, fitting, next_number, sanitised
from .png import png

log = logging.getLogger("easel.imaging")

FORMATS: Final = ("png", "jpg", "jpeg", "webp", "avif", "gif")
_PILLOW_NAMES: Final = {"jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF", "gif": "GIF"}
_LONGEST_SIDES: Final = {"jpg": 65_535, "jpeg": 65_535, "webp": 16_383, "gif": 65_535}
_ABANDONED: Final = 3600.0  # seconds after which a part belongs to nobody who still writes
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def save_picture(
    pixels: numpy.ndarray,
    folder: Path,
    name: str,
    parameters: str = "",
    *,
    format: str = "png",
    quality: int = 80,
    numbered: bool = True,
    beside: bool = False,
) -> Path:
    """Saves pixels, uint8 (height, width, 3 or 4), as `folder/NNNNN-name.format` and returns that path.

    The number is one above the highest in the folder, drawn so that two processes never get the same. Unnumbered
    names that are taken get -2, -3, ... `quality` (1 to 100) is for jpg, webp and avif. A side too long for the
    format makes it png. If the settings text cannot go into the file, it is put beside it as `.txt` and logged;
    with `beside` it is put there anyway.
    Raises UserError when the disk is full or does not let us; nothing is left behind then.
    """
    if format not in FORMATS:
        raise UserError(f"Pictures cannot be saved as {format!r}.", hint=f"Choose one of {', '.join(FORMATS)}.")
    if max(pixels.shape[:2]) > _LONGEST_SIDES.get(format, max(pixels.shape[:2])):
        log.warning("%s cannot hold %d x %d pixels: saved as png.", format, pixels.shape[1], pixels.shape[0])
        format = "png"
    content, problem = encode(pixels, format, parameters, quality)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = (_numbered if numbered else _unnumbered)(content, folder, sanitised(name, LONGEST_NAME), format)
    except OSError as error:
        raise _refusal(folder, len(content), error) from error
    if problem:
        log.warning("The settings of %s do not fit into it: %s.", path.name, problem)
    if parameters and (problem or beside):
        _write_beside(path, parameters)
    return path


def encode(pixels: numpy.ndarray, format: str, parameters: str = "", quality: int = 80) -> tuple[bytes, str]:
    """The file's content, and why the settings text is not in it ("" when it is)."""
    try:
        return _encoded(pixels, format, parameters, quality), ""
    except Exception as error:  # whatever is wrong with the text must not cost the pixels
        if not parameters:
            raise
        return _encoded(pixels, format, "", quality), str(error)


def _encoded(pixels: numpy.ndarray, format: str, parameters: str, quality: int) -> bytes:
    text = storable(parameters)
    if format == "png":
        return png(pixels, {KEYWORD: text} if text else {})
    options: dict[str, object] = {} if format == "gif" else {"quality": quality}
    if text and format == "gif":
        options["comment"] = text.encode()
    elif text:
        options["exif"] = _fitting_exif(text, format)
    image = Image.fromarray(pixels[..., :3] if format in ("jpg", "jpeg") else pixels)
    buffer = io.BytesIO()
    image.save(buffer, _PILLOW_NAMES[format], **options)
    return buffer.getvalue()


def _fitting_exif(text: str, format: str) -> bytes:
    data = exif(text)
    if format in ("jpg", "jpeg") and len(data) > LONGEST_JPEG_EXIF:
        raise ValueError(f"it takes {len(data)} bytes, JPEG has room for {LONGEST_JPEG_EXIF}")
    return data


def _numbered(content: bytes, folder: Path, name: str, format: str) -> Path:
    """Writes under a number of its own. The hidden part, `.NNNNN.part`, claims the number while it is written."""
    _sweep(folder)
    while True:
        number = next_number(folder)
        part = folder / f".{number:05}.part"
        try:
            file = _created(part)
        except FileExistsError:  # somebody claimed it just now, and next_number sees the claim
            continue
        path = folder / f"{fitting(f'{number:05}-{name}' if name else f'{number:05}')}.{format}"
        try:
            _write(file, content)
            if not _used(folder, number) and _published(part, path):
                return path
        finally:
            part.unlink(missing_ok=True)


def _unnumbered(content: bytes, folder: Path, name: str, format: str) -> Path:
    part = folder / f".{uuid.uuid4().hex}.part"
    try:
        _write(_created(part), content)
        count = 1
        while not _published(part, path := folder / f"{fitting(name)}{f'-{count}' * (count > 1)}.{format}"):
            count += 1
        return path
    finally:
        part.unlink(missing_ok=True)


def _created(part: Path) -> int:
    return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)


def _write(file: int, content: bytes) -> None:
    with os.fdopen(file, "wb") as stream:
        stream.write(content)


def _used(folder: Path, number: int) -> bool:
    """Is there a finished picture of this number? Somebody may have finished it between our look and our claim."""
    return any(name.startswith((f"{number:05}-", f"{number:05}.")) for name in os.listdir(folder))


def _published(part: Path, path: Path) -> bool:
    """Gives the whole file its name, atomically, unless the name is taken."""
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError:  # no hard links on this file system
        if path.exists():
            return False
        os.rename(part, path)
    return True


def _sweep(folder: Path) -> None:
    """Removes the parts that killed processes left behind."""
    for part in (folder / name for name in os.listdir(folder) if name.endswith(".part") and name.startswith(".")):
        try:
            if time.time() - part.stat().st_mtime > _ABANDONED:
                part.unlink()
        except OSError as error:
            log.info("%s is in use or already gone: %s", part, error)


def _write_beside(path: Path, parameters: str) -> None:
    try:
        with path.with_suffix(".txt").open("x", encoding="utf-8") as file:
            file.write(storable(parameters))
    except OSError as error:
        log.warning("The settings of %s are not saved beside it as .txt: %s.", path.name, error)


def _refusal(folder: Path, size: int, error: OSError) -> UserError:
    if error.errno in _NO_ROOM:
        return UserError(
            f"There is no room in {folder} for a picture of {size / 1e6:.1f} MB: {error.strerror}.",
            hint="Free some disk space, or choose another folder.",
        )
    return UserError(
        f"The picture cannot be saved in {folder}: {error.strerror or error}.",
        hint="Mend the folder's permissions, or choose another one.",
    )
