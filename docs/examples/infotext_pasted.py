"""Takes everything from a pasted text but the seed."""

from modules.plugins.api import hook


@hook
def infotext_pasted(values):
    values.pop("seed", None)
