"""Installs as systemd/README.md says, from the wheel alone; and gives boards to play."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.systemd.inside.machine import BIN, UNITS, Board, Unit, run

# So that a watchdog acts within the patience of a test.
QUICK = "[Service]\nWatchdogSec=3\nTimeoutAbortSec=3\n"


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    run("python3", "-m", "venv", "/opt/esperd")
    run(BIN / "pip", "install", "--quiet", "--no-index", "--find-links", "/opt/wheels", "esperd")
    for command in ("esperd", "esperctl"):
        Path("/usr/local/bin", command).symlink_to(BIN / command)
    shipped = next(BIN.parent.glob("lib/python3*/site-packages/esperctl/systemd"))
    for source, target in (
        ("system/esperd@.service", UNITS),
        ("system/esperd@.socket", UNITS),
        ("user/esperd@.service", Path("/etc/systemd/user")),
        ("user/esperd@.socket", Path("/etc/systemd/user")),
        ("sysusers.d/esperd.conf", Path("/etc/sysusers.d")),
        ("tmpfiles.d/esperd.conf", Path("/etc/tmpfiles.d")),
        ("udev/90-esperd.rules", Path("/etc/udev/rules.d")),
        ("udev/89-esperd-boards.rules.example", Path("/root")),
    ):
        run("install", "-D", "-m", "644", "-t", target, shipped / source)
    run("systemd-sysusers")
    run("systemd-tmpfiles", "--create", "esperd.conf")
    drop_in = UNITS / "esperd@.service.d"
    drop_in.mkdir()
    (drop_in / "quick.conf").write_text(QUICK)
    run("systemctl", "daemon-reload")


@pytest.fixture
def plug(request: pytest.FixtureRequest) -> Callable[[str], Board]:
    def make(name: str) -> Board:
        board = Board(name)
        request.addfinalizer(board.unplug)
        return board

    return make


@pytest.fixture
def board(plug: Callable[[str], Board]) -> Board:
    return plug("ttyFAKE")


@pytest.fixture
def unit() -> Iterator[Unit]:
    """The daemon of ``board``."""
    unit = Unit("esperd@ttyFAKE.service")
    yield unit
    unit.systemctl("stop", check=False)
    unit.systemctl("reset-failed", check=False)
