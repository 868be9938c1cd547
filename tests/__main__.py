"""Runs the tests: `python3 -m tests [pytest's arguments]`, in the environment that webui.py uses."""

import sys

from modules.bootstrap.start import TESTS, WEBUI, enter_environment

# Whole files go to one worker, for their tests share programs and browsers; each worker holds torch and a browser.
ALL_TESTS = ["--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile"]


def main(argv: list[str]) -> int:
    chosen = enter_environment(argv, WEBUI, TESTS)
    import pytest

    return pytest.main(chosen or ALL_TESTS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
