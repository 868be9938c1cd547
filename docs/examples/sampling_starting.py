"""Starts every picture from noise that is its own mirror image: the composition turns out symmetrical."""

from modules.plugins.api import hook


@hook
def sampling_starting(sampling):
    sampling.x = (sampling.x + sampling.x.flip(-1)) / 2**0.5
