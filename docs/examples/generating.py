"""Writes into the log how long each job takes."""

import logging
import time

from modules.plugins.api import hook

log = logging.getLogger("easel.timing")


@hook
def generating(run, proceed):
    began = time.perf_counter()
    proceed()
    log.info("Job %s took %.1f seconds.", run.job, time.perf_counter() - began)
