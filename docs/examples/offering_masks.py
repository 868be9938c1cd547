"""Offers a mask of all that is dark."""

from modules.plugins.api import hook


def shadows(pixels):
    return pixels.max(axis=-1) < 80


@hook
def offering_masks(masks):
    masks["Shadows"] = shadows
