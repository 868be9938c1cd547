"""Sets up the program's own environment, with the standard library only. `start.enter_environment` tells the story.

Importing this package is the first thing that webui.py does, so a Python that cannot run the program is refused here,
before any file with newer syntax is read.
"""

import sys

from .python_version import refuse_unsupported_python

refuse_unsupported_python(sys.version_info)
