"""Writes into the log how many pictures were saved since the start."""

import logging

from modules.plugins.api import hook

log = logging.getLogger("easel.count")
pictures = []


@hook
def saved(path):
    pictures.append(path)


@hook
def closing():
    log.info("%d pictures were saved.", len(pictures))
