"""Never more than 30 steps, whatever was asked for; the picture's text says so."""

from modules.plugins.api import hook


@hook
def generation_starting(run):
    if run.request.steps > 30:
        run.notes["Steps asked for"] = run.request.steps
        run.change(steps=30)
