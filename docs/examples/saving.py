"""One folder for each checkpoint."""

from pathlib import Path

from modules.plugins.api import hook


@hook
def saving(picture, plan):
    plan.folder = plan.folder / Path(picture.facts.model).stem
