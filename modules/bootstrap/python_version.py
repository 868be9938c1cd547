"""Which Pythons the program runs on. Written in syntax that every Python 3 reads, so that an old one can say so."""

import sys

SUPPORTED = ((3, 10), (3, 11), (3, 12))


def refuse_unsupported_python(version: tuple) -> None:
    """Ends the process with one sentence unless `version` (major, minor, ...) is supported."""
    if tuple(version[:2]) in SUPPORTED:
        return
    found = "{}.{}".format(*version[:2])
    sys.exit(
        "Python 3.10, 3.11 or 3.12 is needed, and this is Python " + found + ". Install one of them "
        "(from python.org, or with your system's packages) and start with it, for example: python3.12 webui.py"
    )
