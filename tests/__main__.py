"""Runs the tests: `python3 -m tests [pytest's arguments]`, in the environment that webui.py uses."""

import sys

from modules.bootstrap.start import TESTS, WEBUI, enter_environment


def main(argv: list[str]) -> int:
    argv = enter_environment(argv, WEBUI, TESTS)
    import pytest

    return pytest.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
