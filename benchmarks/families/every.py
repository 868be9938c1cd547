"""All the files that are made and checked."""

from __future__ import annotations

from .files import UNET_FILES
from .flow_files import FLOW_FILES

FILES = (*UNET_FILES, *FLOW_FILES)
