"""Real starts of webui.py, each in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from modules.bootstrap.start import ROOT

from .conftest import Program, write_wheel


def test_the_first_start_installs_and_the_app_runs_in_the_environment(program: Program) -> None:
    """What is installed alone comes without what it asks for."""
    write_wheel(program.wheels, "moss", "2.0", requires="a-boulder-that-nobody-has")
    (program.root / "requirements-alone.txt").write_text("moss==2.0\n")
    first = program.start("--port", "7861")
    assert first.returncode == 3, first.stderr
    assert "Installing requirements.txt." in first.stdout
    assert f"started {program.environment.folder} ['--port', '7861']" in first.stdout
    assert (program.environment.site_packages / "pebble.py").exists()
    assert (program.environment.site_packages / "moss.py").exists()
    assert "Successfully installed pebble-1.0" in program.environment.log.read_text()


def test_a_second_start_installs_nothing_and_needs_no_index(program: Program) -> None:
    program.start()
    program.environment.log.unlink()
    for wheel in program.wheels.iterdir():
        wheel.unlink()
    second = program.start()
    assert second.returncode == 3
    assert second.stdout.splitlines() == [f"started {program.environment.folder} []"]
    assert not program.environment.log.exists()


def test_a_start_inside_the_environment_stays_in_its_process(program: Program) -> None:
    program.start()
    (program.root / "modules/app.py").write_text("import os\ndef main(argv):\n    print(os.getpid())\n    return 0\n")
    command = {**program.command(), "args": [str(program.environment.python), "webui.py"]}
    with subprocess.Popen(stdout=subprocess.PIPE, **command) as process:
        assert process.stdout.read().strip() == str(process.pid)


def test_changed_requirements_are_installed_at_the_next_start(program: Program) -> None:
    program.start()
    write_wheel(program.wheels, "pebble", "2.0")
    program.require("pebble==2.0\n")
    assert program.start().returncode == 3
    assert (program.environment.site_packages / "pebble.py").read_text() == "version = '2.0'\n"


def test_a_package_that_was_half_unpacked_is_installed_again(program: Program) -> None:
    program.start()
    site_packages = program.environment.site_packages
    (site_packages / "pebble-1.0.dist-info/INSTALLER").unlink()
    (site_packages / "pebble.py").unlink()
    (program.environment.folder / "installed-for-webui.txt").unlink()
    assert program.start().returncode == 3
    assert (site_packages / "pebble.py").exists()


def test_a_failed_installation_is_one_sentence_and_is_retried(program: Program) -> None:
    program.require("there-is-no-such-package==1.0\n")
    failed = program.start()
    assert failed.returncode == 1
    assert failed.stderr.startswith("The installation failed: No matching distribution found for there-is-no-such-")
    assert str(program.environment.log) in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
    program.require("pebble==1.0\n")
    assert program.start().returncode == 3


def test_an_index_that_cannot_be_reached_is_one_sentence(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    program.require("sand==1.0\n")
    failed = program.start(index=f"http://127.0.0.1:{port}/simple")
    assert failed.returncode == 1
    assert failed.stderr.startswith("The package index could not be reached")
    assert "trying again" in failed.stdout


def heed_ctrl_c() -> None:
    """Where the tests run in the background of a shell, their children would ignore Ctrl+C, as they do."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.skipif(os.name == "nt", reason="Ctrl+C is a signal on POSIX only")
def test_ctrl_c_ends_pip_too_and_the_next_start_goes_on(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_index:
        url = f"http://127.0.0.1:{silent_index.getsockname()[1]}/simple"
        command = program.command(index=url) | {"preexec_fn": heed_ctrl_c}
        with subprocess.Popen(stdout=subprocess.PIPE, stderr=subprocess.PIPE, **command) as start:
            connection, _ = silent_index.accept()  # pip waits for an answer now
            start.send_signal(signal.SIGINT)
            _, said = start.communicate(timeout=60)
    with connection:
        while connection.recv(4096):  # ends only if pip, the other side, has ended
            pass
    assert start.returncode == 130
    assert said.strip() == "The installation was interrupted. The next start goes on with it."
    assert program.start().returncode == 3


def test_two_starts_at_once_install_once(program: Program) -> None:
    starts = [subprocess.Popen(stdout=subprocess.PIPE, **program.command()) for _ in range(2)]
    outputs = [start.communicate(timeout=120)[0] for start in starts]
    assert [start.returncode for start in starts] == [3, 3], outputs
    assert program.environment.log.read_text().count("Successfully installed") == 1


def test_a_folder_that_cannot_hold_an_environment_is_one_sentence(program: Program) -> None:
    program.environment.folder.rename(program.root / "elsewhere")
    program.environment.folder.write_text("a file where the environment should be")
    refused = program.start()
    assert refused.returncode == 1
    assert refused.stderr.startswith("The environment cannot be set up: ")
    assert str(program.environment.folder) in refused.stderr
    assert "--skip-install" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_skip_install_uses_the_python_at_hand(program: Program) -> None:
    program.require("pip\n")
    started = program.start("--skip-install", "--port", "1")
    assert started.stdout.splitlines() == [f"started {sys.prefix} ['--port', '1']"]
    assert not program.environment.log.exists()


def test_skip_install_names_the_packages_that_are_missing(program: Program) -> None:
    refused = program.start("--skip-install")
    assert refused.returncode == 1
    assert "lacks pebble." in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("module", ["start", "install", "lock"])
def test_the_set_up_needs_only_the_standard_library(module: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import modules.bootstrap.{module}"
    result = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
