"""How the page's Gradio events run."""

from __future__ import annotations

# No queue of Gradio's own: a plain request needs no session, so it works again as soon as a restarted server does.
QUICK = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def called(call: str) -> str:
    """A handler in the page: calls what `static/main.js` offers, with the event's inputs as `given`."""
    return f"async (...given) => (await window.easel).{call}"
