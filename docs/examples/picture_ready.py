"""Draws a thin black frame and notes it in the picture's text."""

from modules.plugins.api import hook


@hook
def picture_ready(draft):
    draft.pixels[[0, -1]] = 0
    draft.pixels[:, [0, -1]] = 0
    draft.notes["Frame"] = "black"
