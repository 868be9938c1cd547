"""Writes into the picture's text how many words were painted, whatever other extensions made of the prompt."""

from modules.plugins.api import hook


@hook
def prompts_ready(run, batch):
    run.notes["Words"] = max(len(prompt.split()) for prompt in batch.prompts)
