"""Adds words to every prompt."""

from modules.plugins.api import hook


@hook
def batch_starting(batch):
    batch.prompts[:] = [f"{prompt}, soft light" for prompt in batch.prompts]
