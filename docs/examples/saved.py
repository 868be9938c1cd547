"""Writes a picture's settings into a text file beside it."""

from modules.plugins.api import hook


@hook
def saved(picture, path):
    path.with_suffix(".txt").write_text(picture.infotext, encoding="utf-8")
