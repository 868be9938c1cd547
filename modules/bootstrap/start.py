"""The story of a start: use the environment that is there, or set it up, then run in it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from modules.core.errors import UserError

from .environment import Environment, Requirements

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = Environment(ROOT / ".venv")
CONSTRAINTS = ROOT / "constraints.txt"
WEBUI = Requirements("webui", ROOT / "requirements.txt", CONSTRAINTS, alone=ROOT / "requirements-alone.txt")
TESTS = Requirements("tests", ROOT / "tests" / "requirements.txt", CONSTRAINTS)
SKIP_INSTALL = "--skip-install"


def enter_environment(argv: list[str], *wanted: Requirements) -> list[str]:
    """Gives the flags that are left for the program, once this process runs where `wanted` is installed.

    Does not come back in any other Python: the program starts over in the environment, with the same command line.
    Whatever a person must mend ends the process with one sentence.
    """
    try:
        if SKIP_INSTALL in argv:
            _check_present(wanted)
            return [flag for flag in argv if flag != SKIP_INSTALL]
        if not ENVIRONMENT.is_complete(wanted):
            _set_up(ENVIRONMENT, wanted)
    except UserError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(
            f"The environment cannot be set up: {error.strerror or error} ({error.filename or ENVIRONMENT.folder}). "
            f"Make the folder writable, or install the requirements yourself and start with {SKIP_INSTALL}."
        )
    except KeyboardInterrupt:
        print("\nThe installation was interrupted. The next start goes on with it.", file=sys.stderr)
        sys.exit(130)  # what a shell reports for Ctrl+C
    if not ENVIRONMENT.is_running():
        _start_over_in(ENVIRONMENT)
    return argv


def _set_up(environment: Environment, wanted: tuple[Requirements, ...]) -> None:
    """Makes, completes or repairs the environment. Raises UserError, and OSError where the folder cannot be written."""
    import shutil  # this and the rest only now: a start that finds everything in place has no use for them

    from .install import has_pip, install, make_environment
    from .lock import locked
    from .space import check_space

    began = time.monotonic()
    environment.folder.mkdir(exist_ok=True)
    with locked(environment.lock, on_wait=_say_waiting) as lock:
        if environment.is_complete(wanted):
            return
        check_space(environment, shutil.disk_usage(environment.folder).free)
        if not (environment.python_is_intact() and has_pip(environment)):
            make_environment(environment, lock)
        for requirements in wanted:
            if not environment.has(requirements):
                install(environment, requirements, lock)
    print(f"The environment is ready, after {time.monotonic() - began:.0f} s.", flush=True)


def _say_waiting() -> None:
    print("Another start is setting up the environment; waiting for it.", flush=True)


def _start_over_in(environment: Environment) -> None:
    command = [str(environment.python), *sys.orig_argv[1:]]
    sys.stdout.flush()
    if os.name == "posix":
        os.execv(command[0], command)
    import signal
    import subprocess

    child = subprocess.Popen(command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the child too, and the child decides when to end
    sys.exit(child.wait())


def _check_present(wanted: tuple[Requirements, ...]) -> None:
    """Raises UserError naming the packages that the Python at hand lacks."""
    import re
    from importlib.metadata import PackageNotFoundError, version

    for requirements in wanted:
        names = re.findall(r"^[\w.-]+", requirements.file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        missing = []
        for name in dict.fromkeys(names):
            try:
                version(name)
            except PackageNotFoundError:
                missing.append(name)
        if missing:
            raise UserError(
                f"{SKIP_INSTALL} was given, and {sys.executable} lacks {', '.join(missing)}.",
                hint=f"Install them with `{sys.executable} -m pip install -r {requirements.file} -c "
                f"{requirements.constraints}`, or start without {SKIP_INSTALL}.",
            )
