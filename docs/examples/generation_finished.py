"""Rings the terminal's bell when a job of several pictures is over."""

from modules.plugins.api import hook


@hook
def generation_finished(run):
    if run.request.pictures > 1:
        print("\a", end="", flush=True)
