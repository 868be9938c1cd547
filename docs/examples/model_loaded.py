"""Writes into the log where a checkpoint computes."""

import logging

from modules.plugins.api import hook

log = logging.getLogger("easel.models")


@hook
def model_loaded(weights):
    log.info("The checkpoint computes on %s in %s.", weights.device, weights.dtype)
