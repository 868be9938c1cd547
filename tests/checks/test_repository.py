"""What the repository may not contain: places on one machine, other people's hosts, promises for later."""

from __future__ import annotations

import re
from pathlib import Path

from tests.checks.source import tracked_texts
from tests.conftest import ROOT

# Folders of somebody's machine. Written in pieces, so that this file does not contain what it looks for.
MACHINE = re.compile(r"(?<![\w.])/(?:work|tmp|root|home/\w+|Users/\w+)" + r"/[\w.]|\.\./sha" + "red")
LATER = re.compile(r"\b(?:TO" + "DO|FIX" + r"ME|XX" + r"X)\b")
HOST = re.compile(r"https?://([\w.-]*\w)")
LOCAL = ("localhost", "127.0.0.1", "0.0.0.0")
NAMED = {
    "www.w3.org",  # SVG's namespace, which nobody fetches
    "github.com",  # where a fact comes from
    "pluggy.readthedocs.io",
    "git-lfs.github.com",  # the first line of a file that is kept elsewhere
    "git-lfs",
    "huggingface.co",  # where models are fetched from when somebody asks for one
    "civitai.com",  # the page of a model that a file beside it names; a link, which only people follow
}
FICTIONAL = (".example", ".test", ".invalid", ".gradio.live")


def offences(pattern: re.Pattern[str]) -> list[str]:
    """Every place in the repository that a pattern finds, but for this file."""
    here = Path(__file__).relative_to(ROOT)
    return [
        f"{path}:{text.count(chr(10), 0, found.start()) + 1}: {found[0]}"
        for path, text in tracked_texts()
        if path != here
        for found in pattern.finditer(text)
    ]


def test_no_file_names_a_place_on_one_machine() -> None:
    assert offences(MACHINE) == []


def test_nothing_is_left_for_later() -> None:
    assert offences(LATER) == []


def test_no_file_names_a_host_that_the_program_has_no_business_with() -> None:
    unknown = {
        f"{path}: {host}"
        for path, text in tracked_texts()
        for host in HOST.findall(text)
        if host not in NAMED and host not in LOCAL and not host.endswith(FICTIONAL)
    }
    assert {one for one in unknown if "." in one.split(": ")[1]} == set()


def test_the_page_asks_no_other_host_for_anything() -> None:
    page = [(path, text) for path, text in tracked_texts() if path.is_relative_to("modules/gui")]
    assert page
    assert [str(path) for path, text in page for host in HOST.findall(text) if host != "www.w3.org"] == []
