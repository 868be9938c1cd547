"""Leaves the first two steps unguided: freer compositions at high CFG scales."""

from modules.plugins.api import hook


@hook
def guiding(step):
    if step.index < 2:
        step.scale = 1
