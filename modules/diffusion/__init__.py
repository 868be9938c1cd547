"""Diffusion itself: noise, noise schedules, denoisers, guidance and samplers. Needs torch and `core`, nothing else.

Importing the package registers its samplers and schedules.
"""

from . import samplers, schedules

__all__ = ["samplers", "schedules"]
