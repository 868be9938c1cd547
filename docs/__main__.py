"""`python -m docs` writes the pages that the code declares; `python -m docs --check` says which are out of date."""

from __future__ import annotations

import sys
from pathlib import Path

from modules.core.hooks import Hooks
from modules.plugins.discover import discover
from modules.plugins.load import load_all

from . import api, extensions, parameters, settings

FOLDER = Path(__file__).parent
PAGES = {
    "parameters.md": parameters.page,
    "settings.md": settings.page,
    "extensions.md": extensions.page,
    "api.md": api.page,
}


def main(argv: list[str]) -> int:
    """Writes what has changed, or with --check only names it: then 1 when there is anything."""
    load_all(discover([]), Hooks())  # the built-in extensions declare parameters and settings too
    stale = {}
    for name, page in PAGES.items():
        text = page()
        place = FOLDER / name
        if not place.exists() or place.read_text(encoding="utf-8") != text:
            stale[place] = text
    for place, text in stale.items():
        if "--check" in argv:
            print(f"docs/{place.name} is out of date: run `python -m docs`.")
        else:
            place.write_text(text, encoding="utf-8", newline="\n")
            print(f"docs/{place.name} was written.")
    return 1 if stale and "--check" in argv else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
