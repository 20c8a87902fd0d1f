"""The command as a process of its own: its exit codes, what it leaves behind, and that it ends whatever happens."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from esper_protocol.version import PACKAGE_VERSION
from esperd.errors import EXIT_BUSY, EXIT_FAILED, EXIT_USAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Long enough for a busy machine; a daemon that does not end by itself reaches it.
TIMEOUT_S = 30
ESPERD = [sys.executable, "-m", "esperd"]


def run(folder: Path, *words: str, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    places = ["--state-dir", str(folder / "state"), "--runtime-dir", str(folder / "run")]
    return subprocess.run(
        [*ESPERD, *places, *words], capture_output=True, text=True, timeout=TIMEOUT_S, check=False, umask=umask
    )


class Running:
    """A daemon that has started."""

    def __init__(self, folder: Path, *words: str, umask: int = 0o022) -> None:
        places = ["--state-dir", str(folder / "state"), "--runtime-dir", str(folder / "run")]
        self.process = subprocess.Popen([*ESPERD, *places, *words], stderr=subprocess.PIPE, umask=umask)
        self.log = b""
        self.wait_for(b" started pid=")

    def wait_for(self, words: bytes) -> None:
        assert self.process.stderr is not None
        while words not in self.log:
            readable, _, _ = select.select([self.process.stderr], [], [], TIMEOUT_S)
            data = os.read(self.process.stderr.fileno(), 65536) if readable else b""
            assert data, self.log.decode()
            self.log += data

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(TIMEOUT_S)
        if self.process.stderr is not None:
            self.process.stderr.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[type[Running]]:
    started: list[Running] = []

    class Started(Running):
        def __init__(self, folder: Path, *words: str, umask: int = 0o022) -> None:
            started.append(self)
            super().__init__(folder, *words, umask=umask)

    yield Started
    for running in started:
        running.close()


def test_version_and_help_do_nothing_else(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout == f"esperd {PACKAGE_VERSION}\n"
    shown = run(tmp_path, "--help")
    assert (shown.returncode, "--journal-bytes SIZE" in shown.stdout) == (0, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["--version", "--help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_help_that_can_not_be_written_is_an_error(word: str, unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [*ESPERD, word], stdout=full, stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False, env=environment
        )

    assert (done.returncode, done.stderr) == (1, b"esperd: the output can't be written: No space left on device\n")


@pytest.mark.parametrize(
    "words",
    [[], ["b=ftp://x"], ["--no-such-flag", "b=x"], ["--tail-bytes", "4 MB", "b=x"], ["--baud", "1", "b=x"]],
)
def test_wrong_usage_is_told_and_makes_nothing(tmp_path: Path, words: list[str]) -> None:
    done = run(tmp_path, *words)

    assert done.returncode == EXIT_USAGE
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_that_is_wrong_with_a_file_is_told_as_the_check_of_it_tells_it(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("bauds = 1\n[limits]\nclients = many\n[access]\nview = ['no such user']\n")

    done = run(tmp_path, "--config", str(file), "b=sim:crash")
    checked = subprocess.run(
        [sys.executable, "-m", "esperctl", "config", "check", str(file)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    assert done.returncode == EXIT_USAGE
    *problems, last = done.stderr.splitlines()
    assert problems == checked.stdout.splitlines()
    assert [line.partition(": ")[0] for line in problems if line.startswith("/")] == [
        f"{file}:1",
        f"{file}:3:11",
        f"{file}:5",
    ]
    assert last == "esperd: the configuration file is wrong, so nothing was started"
    assert list(tmp_path.iterdir()) == [file]


def test_what_can_not_be_used_is_told_before_any_board_is_touched_and_it_ends(tmp_path: Path) -> None:
    # The second board's journal is what fails, when the first one is open already.
    (tmp_path / "state" / "boards" / "two").mkdir(parents=True)
    (tmp_path / "state" / "boards" / "two" / "journal").write_bytes(b"no folder")

    done = run(tmp_path, "one=sim:crash", "two=sim:crash")

    assert done.returncode == EXIT_FAILED
    assert "can't use" in done.stderr
    assert "two/journal" in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "state" / "boards" / "one" / "journal").iterdir()) == []


def test_a_socket_that_can_not_be_made_is_told_and_it_ends(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")

    done = run(tmp_path, "--socket", str(tmp_path / "taken"), "b=/nonexistent")

    assert (done.returncode, "is no socket" in done.stderr) == (EXIT_FAILED, True)


def test_a_second_daemon_of_the_same_board_is_busy_and_disturbs_nothing(tmp_path: Path, start: type[Running]) -> None:
    first = start(tmp_path, "b=/nonexistent")

    second = run(tmp_path, "--socket", str(tmp_path / "other.sock"), "b=/nonexistent")

    assert second.returncode == EXIT_BUSY
    assert f"another esperd (pid {first.process.pid}) runs board b" in second.stderr
    assert first.stop() == 0


def test_daemons_of_other_boards_share_the_state_directory(tmp_path: Path, start: type[Running]) -> None:
    first, second = start(tmp_path, "a=/nonexistent"), start(tmp_path, "b=/nonexistent")

    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["a.sock", "b.sock"]
    assert (first.stop(), second.stop()) == (0, 0)
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_is_an_orderly_end(tmp_path: Path, start: type[Running], number: signal.Signals) -> None:
    running = start(tmp_path, "b=/nonexistent")

    assert running.stop(number) == 0
    assert list((tmp_path / "run").iterdir()) == []
    (segment,) = (tmp_path / "state" / "boards" / "b" / "journal").iterdir()
    content = segment.read_bytes()
    assert b"daemon_stopping" in content[-100:]
    assert number.name.encode() in content[-100:]
    # And the lock is free again.
    with (tmp_path / "state" / "boards" / "b" / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_all_that_it_makes_is_for_its_user_alone_whatever_the_umask(tmp_path: Path, start: type[Running]) -> None:
    running = start(tmp_path, "b=sim:crash", umask=0)
    running.wait_for(b"session opened")
    running.stop()

    made = [*(tmp_path / "state").rglob("*"), tmp_path / "state", tmp_path / "run"]
    assert len(made) > 7
    for path in made:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_with_a_group_all_that_it_makes_is_the_groups_to_read(tmp_path: Path, start: type[Running]) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files to any group")
    config = tmp_path / "esperd.toml"
    config.write_text("socket_group = 'daemon'")
    running = start(tmp_path, "--config", str(config), "b=sim:crash", umask=0)
    running.wait_for(b"session opened")
    socket_path = tmp_path / "run" / "b.sock"
    assert (socket_path.group(), stat.S_IMODE(socket_path.stat().st_mode)) == ("daemon", 0o660)
    running.stop()

    for path in [*(tmp_path / "state").rglob("*"), tmp_path / "state", tmp_path / "run"]:
        mode = stat.S_IMODE(path.stat().st_mode) & 0o777
        assert (path.group(), mode) == ("daemon", 0o750 if path.is_dir() else 0o640), path
