"""What a file that was fetched is called here: nothing in a name that came from elsewhere is believed."""

from __future__ import annotations

import re
import unicodedata
from email.message import Message
from urllib.parse import unquote, urlsplit

from ...catalog.scan import SUFFIXES
from ...core.errors import UserError

# What the Hugging Face libraries call their files: of these, the model's name says which it is.
USUAL = ("model", "pytorch_model", "diffusion_pytorch_model", "pytorch_lora_weights", "learned_embeds")
_OF_MODEL = re.compile(r"https://huggingface\.co/[^/]+/([^/]+)/resolve/")
LONGEST = 120  # characters, and twice as many bytes
_EXTENDED = re.compile(r"filename\*\s*=\s*(utf-8|iso-8859-1)'[^']*'([^\s;]+)", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)", re.IGNORECASE)


def file_name(disposition: str, *urls: str) -> str:
    """The name that the server gives the file, else the last one in the first of these addresses that ends in a model's
    name; the model's own where that says nothing. Raises UserError when none does.
    """
    given = [_of_disposition(disposition), *(unquote(urlsplit(url).path, errors="replace") for url in urls)]
    names = [name for name in map(_clean, given) if name]
    for name in names:
        if name.lower().endswith(SUFFIXES):
            return _telling(name, urls)
    shown = f"{names[0][:80]} is" if names else "What is there is"
    raise UserError(
        f"{shown} not a model file.", hint=f"The names of models end in {', '.join(SUFFIXES)}. Is it the right link?"
    )


def _telling(name: str, urls: tuple[str, ...]) -> str:
    model = next((found[1] for url in urls if (found := _OF_MODEL.match(url))), "")
    return _clean(model + name[name.rindex(".") :]) if model and name.partition(".")[0] in USUAL else name


def _of_disposition(header: str) -> str:
    """The name in a Content-Disposition header; of both spellings the one that can hold every letter (RFC 6266)."""
    if found := _EXTENDED.search(header):
        return unquote(found[2], encoding=found[1], errors="replace")
    message = Message()
    message["content-disposition"] = header.replace("\r", " ").replace("\n", " ")
    try:
        return message.get_filename("")
    except (ValueError, LookupError, TypeError):
        return ""


def _clean(text: str) -> str:
    """A name that every system takes as one file in one folder; "" when nothing is left."""
    name = unicodedata.normalize("NFC", text.replace("\\", "/").rpartition("/")[2])
    name = "".join(letter for letter in name if unicodedata.category(letter)[0] != "C")
    name = _FORBIDDEN.sub("_", name).strip(" .").lstrip("~")
    stem, dot, ending = name.rpartition(".")
    if not stem:
        return ""
    if _RESERVED.fullmatch(stem.partition(".")[0].strip()):
        stem = f"_{stem}"
    stem = stem[: LONGEST - len(ending)].encode()[: 2 * LONGEST].decode(errors="ignore").rstrip(" .")
    return f"{stem}{dot}{ending}"
