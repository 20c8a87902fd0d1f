"""The command as a service manager starts it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TIMEOUT_S = 30
# What a service manager does between fork and exec: the descriptor's number is three, and the process the one meant.
LAUNCHER = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, sys.argv[2:])
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(TIMEOUT_S)
        yield receiver


def command(folder: Path) -> list[str]:
    places = ["--state-dir", str(folder / "state"), "--runtime-dir", str(folder / "run")]
    return [sys.executable, "-m", "esperd", *places]


def environment(folder: Path, **more: str) -> dict[str, str]:
    return os.environ | {"NOTIFY_SOCKET": str(folder / "notify")} | more


def receive_until(manager: socket.socket, last: bytes) -> list[bytes]:
    received = [manager.recv(1000)]
    while received[-1] != last:
        received.append(manager.recv(1000))
    return received


def test_a_daemon_says_that_it_is_ready_alive_and_stopping(tmp_path: Path, manager: socket.socket) -> None:
    told = environment(tmp_path, WATCHDOG_USEC="300000", LOGS_DIRECTORY=str(tmp_path / "log"))
    with subprocess.Popen([*command(tmp_path), "--instance", "nonexistent-tty"], env=told) as daemon:
        try:
            assert b"READY=1" in receive_until(manager, b"READY=1")
            assert (tmp_path / "run" / "tty.sock").is_socket()
            receive_until(manager, b"WATCHDOG=1")
            receive_until(manager, b"WATCHDOG=1")
        finally:
            daemon.send_signal(signal.SIGTERM)
        assert receive_until(manager, b"STOPPING=1")
        assert daemon.wait(TIMEOUT_S) == 0
    assert "esperd stops reason=SIGTERM" in (tmp_path / "log" / "tty.log").read_text()
    assert not (tmp_path / "state" / "log").exists()


def test_a_socket_that_is_passed_on_is_served_and_left_in_its_place(tmp_path: Path, manager: socket.socket) -> None:
    path = tmp_path / "passed.sock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(path))
        listener.listen()
        # Before there is a daemon: it waits for one.
        client.settimeout(TIMEOUT_S)
        client.connect(str(path))
        started = [sys.executable, "-c", LAUNCHER, str(listener.fileno()), *command(tmp_path), "b=/nonexistent/tty"]
        told = environment(tmp_path, LISTEN_FDS="1")
        with subprocess.Popen(started, env=told, pass_fds=[listener.fileno()]) as daemon:
            try:
                receive_until(manager, b"READY=1")
                # No handshake: it is told so, by a daemon.
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1000) == b""
                assert not (tmp_path / "run").exists()
                assert (tmp_path / "state" / "log" / "passed.log").exists()
            finally:
                daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(TIMEOUT_S) == 0
        assert path.is_socket()


@pytest.mark.parametrize("kind", ["two", "datagrams", "does not listen", "abstract", "a file"])
def test_what_can_not_be_served_is_refused(tmp_path: Path, kind: str) -> None:
    family = socket.SOCK_DGRAM if kind == "datagrams" else socket.SOCK_STREAM
    with socket.socket(socket.AF_UNIX, family) as passed, (tmp_path / "file").open("wb") as file:
        if kind != "a file":
            passed.bind(f"\0esperd-test-{os.getpid()}" if kind == "abstract" else str(tmp_path / "passed.sock"))
        if kind in {"two", "abstract"}:
            passed.listen()
        descriptor = file.fileno() if kind == "a file" else passed.fileno()
        started = [sys.executable, "-c", LAUNCHER, str(descriptor), *command(tmp_path), "b=/nonexistent/tty"]
        done = subprocess.run(
            started,
            env=os.environ | {"LISTEN_FDS": "2" if kind == "two" else "1"},
            pass_fds=[descriptor],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert (done.returncode, "ListenStream=" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
