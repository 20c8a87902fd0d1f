"""Socket activation."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.inside.machine import Board, Unit, Viewer, board_state, esperctl_json, run, wait_until

CONFIGURATION = Path("/etc/esperd/esperd.toml")
SOCKET = Path("/run/esperd/ttyFAKE.sock")


@pytest.fixture
def listening(board: Board, unit: Unit) -> Iterator[Unit]:
    listening = Unit("esperd@ttyFAKE.socket")
    listening.systemctl("start")
    yield listening
    listening.systemctl("stop")


def test_the_first_client_starts_the_daemon(listening: Unit, unit: Unit) -> None:
    assert unit.state == "inactive"
    assert (SOCKET.owner(), SOCKET.group(), stat.S_IMODE(SOCKET.stat().st_mode)) == ("esperd", "esperd", 0o660)
    assert [board["board"] for board in esperctl_json("boards")] == ["ttyFAKE"]
    assert unit.state == "active"
    unit.wait_for_status("ttyFAKE connected")


def test_the_socket_stays_when_the_daemon_goes(board: Board, listening: Unit, unit: Unit, tmp_path: Path) -> None:
    viewer = Viewer(tmp_path, "ttyFAKE")
    unit.wait_for_status("1 viewer")
    pid = unit.pid
    os.kill(pid, signal.SIGKILL)
    # Between the two daemons nobody is refused: this connection waits for the second.
    assert [board["board"] for board in esperctl_json("boards")] == ["ttyFAKE"]
    assert unit.pid != pid
    board.give_back()
    board.say(b"after the kill\n")
    viewer.wait_for("after the kill")
    viewer.close()
    run("systemctl", "stop", "esperd@ttyFAKE.service")
    assert SOCKET.is_socket()


def test_the_socket_goes_with_its_unit(listening: Unit, unit: Unit) -> None:
    assert esperctl_json("boards")
    listening.systemctl("stop")
    assert not SOCKET.exists()
    unit.systemctl("stop")
    # Then the daemon makes its own.
    unit.systemctl("start")
    wait_until("it listens by itself", lambda: board_state("ttyFAKE") == "connected")


def test_a_wrong_configuration_is_not_tried_for_ever_because_a_viewer_came(listening: Unit, unit: Unit) -> None:
    CONFIGURATION.write_text("nonsense = 1\n")
    try:
        with socket.socket(socket.AF_UNIX) as viewer:
            viewer.connect(str(SOCKET))
        wait_until("the socket is given up", lambda: listening.state == "failed", timeout_s=60)
        assert (listening.show("Result"), unit.state) == ("trigger-limit-hit", "failed")
    finally:
        CONFIGURATION.unlink()
    run("systemctl", "start", listening.name, unit.name)
    assert board_state("ttyFAKE") == "connected"
    assert SOCKET.group() == "esperd"
