"""Starts the web UI: `python3 webui.py [flags]`.

The first start makes `.venv` beside this file and installs requirements.txt into it; every start then runs
modules/app.py in that environment. `--skip-install` runs it in the Python at hand instead.
"""

import sys

from modules.bootstrap.start import WEBUI, enter_environment


def main(argv: list[str]) -> int:
    argv = enter_environment(argv, WEBUI)
    from modules.app import main as run  # needs the packages that are there only now

    return run(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
