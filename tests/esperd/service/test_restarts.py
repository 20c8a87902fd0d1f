"""How long a daemon that fails waits before it ends, when a service manager starts it again."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from esperd.errors import EXIT_BUSY, EXIT_FAILED, EXIT_USAGE

TIMEOUT_S = 60


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        yield receiver


def told(manager: socket.socket) -> list[str]:
    messages: list[str] = []
    try:
        while True:
            messages.append(manager.recv(4096).decode())
    except BlockingIOError:
        return messages


def start(folder: Path, *words: str, **environment: str) -> tuple[int, float]:
    """Starts a daemon that fails, as a service of a system; returns its exit code and how long it took."""
    (folder / "run").mkdir(exist_ok=True)
    directories = {"RUNTIME_DIRECTORY": str(folder / "run"), "STATE_DIRECTORY": str(folder / "state")}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "esperd", *words],
        env={**os.environ, **directories, **environment},
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return done.returncode, time.monotonic() - began


def test_pauses_grow_while_it_fails_and_say_why(tmp_path: Path, manager: socket.socket) -> None:
    (tmp_path / "state").write_bytes(b"no folder")
    as_service = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    words = ("--instance", "left")
    code, first_s = start(tmp_path, *words, **as_service)
    assert (code, told(manager)) == (EXIT_FAILED, [])
    for expected_s in (2, 4):
        code, lasted_s = start(tmp_path, *words, **as_service)
        assert code == EXIT_FAILED
        assert expected_s <= lasted_s < expected_s + first_s + 10
        status, *_ = told(manager)
        assert status.startswith("STATUS=can't write the log")
        assert status.endswith(f"; tried again in {expected_s} s")
    # Another instance has a row of its own, and a row that ended some time ago is none.
    assert start(tmp_path, "--instance", "right", **as_service)[0] == EXIT_FAILED
    os.utime(tmp_path / "run/left.failures", (time.time() - 200, time.time() - 200))
    assert start(tmp_path, *words, **as_service)[0] == EXIT_FAILED
    assert told(manager) == []


def test_without_a_service_manager_nothing_is_counted(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"no folder")
    assert start(tmp_path, "--instance", "left")[0] == EXIT_FAILED
    assert list((tmp_path / "run").iterdir()) == []


def test_what_does_not_heal_ends_at_once(tmp_path: Path, manager: socket.socket) -> None:
    for _ in range(2):
        code, _ = start(tmp_path, "b=sim:nope", NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert code == EXIT_USAGE
    assert told(manager) == []
    assert list((tmp_path / "run").iterdir()) == []


def test_where_failures_can_not_be_counted_each_waits(tmp_path: Path, manager: socket.socket) -> None:
    (tmp_path / "state").write_bytes(b"no folder")
    (tmp_path / "run").write_bytes(b"no folder")
    environment = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "3000000",
        "RUNTIME_DIRECTORY": str(tmp_path / "run"),
        "STATE_DIRECTORY": str(tmp_path / "state"),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "esperd", "--instance", "b"], env=os.environ | environment, stderr=subprocess.DEVNULL
    ) as daemon:
        manager.setblocking(True)
        manager.settimeout(TIMEOUT_S)
        assert manager.recv(4096).endswith(b"; tried again in 10 s")
        # Who watches it goes on being told, and a stop is not held up.
        assert [manager.recv(4096) for _ in range(2)] == [b"WATCHDOG=1"] * 2
        daemon.terminate()
        assert daemon.wait(TIMEOUT_S) == -15


@pytest.mark.parametrize(
    "setting", ["socket_group = 'nobody-knows'", "[access]\nview = ['nobody-knows']\nwrite = ['@nobody-knows']"]
)
def test_a_name_that_this_machine_does_not_know_may_be_known_later(tmp_path: Path, setting: str) -> None:
    file = tmp_path / "esperd.toml"
    file.write_text(setting)
    assert start(tmp_path, "--config", str(file), "b=/nonexistent")[0] == EXIT_FAILED
    # Unless something else is wrong, too.
    file.write_text(f"bauds = 1\n{setting}")
    assert start(tmp_path, "--config", str(file), "b=/nonexistent")[0] == EXIT_USAGE


def test_a_board_that_another_daemon_runs_is_waited_for(tmp_path: Path, manager: socket.socket) -> None:
    directories = {"RUNTIME_DIRECTORY": str(tmp_path / "run"), "STATE_DIRECTORY": str(tmp_path / "state")}
    with subprocess.Popen(
        [sys.executable, "-m", "esperd", "b=/nonexistent"], env=os.environ | directories, stderr=subprocess.PIPE
    ) as first:
        assert first.stderr is not None
        while b" started pid=" not in first.stderr.readline():
            pass
        words = ("--socket", str(tmp_path / "second.sock"), "b=/nonexistent")
        for _ in range(2):
            assert start(tmp_path, *words, NOTIFY_SOCKET=str(tmp_path / "notify"))[0] == EXIT_BUSY
        first.terminate()
    status, *_ = told(manager)
    assert status.startswith(f"STATUS=another esperd (pid {first.pid}) runs board b ")
