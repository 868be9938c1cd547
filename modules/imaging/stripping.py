"""Picture files without what they say beside their pixels. Where the format lets us, no pixel is encoded anew.

Kept is what pixels need to look the same: colour profiles and spaces, transparency, animation, and which side is up.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Final

import piexif
from PIL import Image

from ..core.errors import UserError
from .opening import opened

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT: Final = (
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"cICP", b"pHYs"),
    *(b"bKGD", b"mDCV", b"cLLI", b"acTL", b"fcTL", b"fdAT"),
)
_JFIF, _ICC, _ADOBE, _EXIF = 0xE0, 0xE2, 0xEE, 0xE1
_SCAN, _END, _COMMENT = 0xDA, 0xD9, 0xFE
_EXIF_MARK: Final = b"Exif\0\0"


def stripped(content: bytes) -> tuple[bytes, str]:
    """The file without texts, EXIF, XMP and thumbnails, and its ending (".png"). PNG, JPEG, WebP and GIF keep their
    encoded pixels bit for bit; other formats become PNG, which keeps the decoded ones.

    Raises UserError when the content is no picture, or broken.
    """
    with opened(content) as image:
        form, orientation = image.format, image.getexif().get(0x0112, 1)
        image.load()
    try:
        if form == "PNG":
            return _png(content, orientation), ".png"
        if form == "JPEG":
            return _jpeg(content, orientation), ".jpg"
        if form == "WEBP":
            return _webp(content, orientation), ".webp"
        if form == "GIF":
            return _gif(content), ".gif"
    except (struct.error, IndexError) as error:
        raise UserError("The picture ends in the middle.", hint="The file may be incomplete.") from error
    return _as_png(content), ".png"


def _upright(orientation: object) -> bytes:
    """EXIF data that says which side is up and nothing else; b"" where that is the top."""
    if not isinstance(orientation, int) or not 1 < orientation <= 8:
        return b""
    return piexif.dump({"0th": {piexif.ImageIFD.Orientation: orientation}})


def _png(content: bytes, orientation: object) -> bytes:
    pieces = [_PNG]
    turned = _upright(orientation).removeprefix(_EXIF_MARK)
    for kind, chunk in _png_chunks(content):
        if kind == b"IDAT" and turned:
            pieces.append(
                struct.pack(">I", len(turned)) + b"eXIf" + turned + struct.pack(">I", zlib.crc32(b"eXIf" + turned))
            )
            turned = b""
        if kind in _PNG_KEPT:
            pieces.append(chunk)
    return b"".join(pieces)


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and whole chunk, checksum included, up to the end of the picture."""
    at = len(_PNG)
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind = content[at + 4 : at + 8]
        yield kind, content[at : at + 12 + length]
        at += 12 + length
        if kind == b"IEND":
            return


def _jpeg(content: bytes, orientation: object) -> bytes:
    pieces = [content[:2]]
    turned = _upright(orientation)
    at = 2
    while content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == _SCAN:
            break
        (length,) = struct.unpack_from(">H", content, at + 2)
        application = 0xE0 <= marker <= 0xEF
        if (not application and marker != _COMMENT) or marker in (_JFIF, _ADOBE) or _is_profile(content, at):
            pieces.append(content[at : at + 2 + length])
        at += 2 + length
        if turned and marker == _JFIF:
            pieces.append(_segment(turned))
            turned = b""
    if turned:
        pieces.insert(1, _segment(turned))
    return b"".join([*pieces, content[at : _end_of_jpeg(content, at)]])


def _segment(exif: bytes) -> bytes:
    return bytes((0xFF, _EXIF)) + struct.pack(">H", len(exif) + 2) + exif


def _is_profile(content: bytes, at: int) -> bool:
    return content[at + 1] == _ICC and content[at + 4 : at + 16] == b"ICC_PROFILE\0"


def _end_of_jpeg(content: bytes, at: int) -> int:
    """Where the end marker stands, past all scans. Previews and notes that some programs append come later."""
    while (at := content.find(b"\xff", at)) >= 0 and at + 1 < len(content):
        marker = content[at + 1]
        if marker == _END:
            return at + 2
        within = marker == 0 or marker == 0xFF or 0xD0 <= marker <= 0xD7
        at += 1 if marker == 0xFF else 2 if within else 2 + struct.unpack_from(">H", content, at + 2)[0]
    return len(content)


def _webp(content: bytes, orientation: object) -> bytes:
    pieces, turned = [], _upright(orientation)
    at = 12
    end = min(len(content), 8 + struct.unpack_from("<I", content, 4)[0])
    while at + 8 <= end:
        kind, length = content[at : at + 4], struct.unpack_from("<I", content, at + 4)[0]
        whole = content[at : at + 8 + length + length % 2]
        if kind == b"VP8X":  # its flags say what follows: 8 is EXIF, 4 is XMP
            whole = whole[:8] + bytes((whole[8] & ~0x0C | (0x08 if turned else 0),)) + whole[9:]
        if kind not in (b"EXIF", b"XMP "):
            pieces.append(whole)
        at += 8 + length + length % 2
    if turned:
        pieces.append(b"EXIF" + struct.pack("<I", len(turned)) + turned + b"\0" * (len(turned) % 2))
    body = b"WEBP" + b"".join(pieces)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _gif(content: bytes) -> bytes:
    """Without comments, plain texts and applications' blocks, but for the one that makes an animation repeat."""
    at = 13 + _colours(content[10])
    pieces = [content[:at]]
    while content[at] in (0x21, 0x2C):
        start, extension = at, content[at] == 0x21
        label = content[at + 1]
        at += 2 if extension else 11 + _colours(content[at + 9])
        while content[at]:
            at += 1 + content[at]
        at += 1
        repeats = label == 0xFF and content[start + 3 : start + 14] in (b"NETSCAPE2.0", b"ANIMEXTS1.0")
        if not extension or label == 0xF9 or repeats:
            pieces.append(content[start:at])
    return b"".join([*pieces, b";"])


def _colours(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _as_png(content: bytes) -> bytes:
    with opened(content) as image:
        profile = image.info.get("icc_profile")
        plain = image if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else image.convert("RGB")
        buffer = io.BytesIO()
        bare = Image.new(plain.mode, plain.size)
        bare.paste(plain)
        if plain.mode == "P":
            bare.putpalette(plain.getpalette() or [])
        bare.save(buffer, "PNG", **({"icc_profile": profile} if profile else {}))
        return buffer.getvalue()
