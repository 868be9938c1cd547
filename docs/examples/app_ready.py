"""Adds a route: `GET /ext/dice` throws one."""

import random

from modules.plugins.api import hook


@hook
def app_ready(web):
    @web.get("/ext/dice")
    def dice() -> dict[str, int]:
        return {"eyes": random.randint(1, 6)}
