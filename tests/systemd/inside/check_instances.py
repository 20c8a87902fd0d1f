"""The names that an instance may have, and what instances share."""

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.systemd.inside.machine import BIN, UNITS, Board, Unit, board_state, esperctl_json, run, wait_until

LINK = "usb-Silicon_Labs_CP2102_0001-if00-port0"
CONFIGURATION = Path("/etc/esperd/esperd.toml")


@pytest.fixture
def configured() -> Iterator[None]:
    CONFIGURATION.write_text('[boards.left-bench]\nport = "/dev/esp/left"\n')
    yield
    CONFIGURATION.unlink()


def assert_connected(instance: str, name: str, port: str) -> None:
    unit = Unit(f"esperd@{instance}.service")
    unit.systemctl("start")
    try:
        wait_until(f"{name} is connected", lambda: board_state(name) == "connected")
        assert [(board["board"], board["port"]) for board in esperctl_json("boards")] == [(name, port)]
    finally:
        unit.systemctl("stop")


def test_a_configured_name(plug: Callable[[str], Board], configured: None) -> None:
    plug("esp/left")
    assert_connected("left-bench", "left-bench", "/dev/esp/left")
    assert_connected(run("systemd-escape", "left-bench").strip(), "left-bench", "/dev/esp/left")


def test_a_link_by_id_as_it_is_or_escaped(plug: Callable[[str], Board]) -> None:
    plug(f"serial/by-id/{LINK}")
    port = f"/dev/serial/by-id/{LINK}"
    assert_connected(LINK, LINK, port)
    assert_connected(run("systemd-escape", LINK).strip(), LINK, port)
    assert_connected(run("systemd-escape", f"serial/by-id/{LINK}").strip(), LINK, port)


def test_a_path(plug: Callable[[str], Board]) -> None:
    plug("ttyFAKE")
    assert_connected(run("systemd-escape", "--path", "/dev/ttyFAKE").strip(), "ttyFAKE", "/dev/ttyFAKE")


def test_a_reload_takes_the_changed_configuration(plug: Callable[[str], Board], configured: None) -> None:
    plug("esp/left")
    plug("esp/moved")
    unit = Unit("esperd@left-bench.service")
    unit.systemctl("start")
    pid = unit.pid
    wait_until("it is connected", lambda: board_state("left-bench") == "connected")
    CONFIGURATION.write_text('[boards.left-bench]\nport = "/dev/esp/moved"\n')
    unit.systemctl("reload")
    wait_until("it has moved", lambda: [board["port"] for board in esperctl_json("boards")] == ["/dev/esp/moved"])
    assert (unit.pid, unit.state, unit.show("SubState")) == (pid, "active", "running")
    unit.systemctl("stop")


def test_two_instances_share_what_neither_takes_away(plug: Callable[[str], Board]) -> None:
    units = [Unit(f"esperd@{plug(name).name}.service") for name in ("ttyONE", "ttyTWO")]
    for unit in units:
        unit.systemctl("start")
        unit.wait_for_status("connected")
    units[0].systemctl("stop")
    assert sorted(path.name for path in Path("/run/esperd").iterdir()) == ["ttyTWO.sock"]
    assert board_state("ttyTWO") == "connected"
    units[1].systemctl("stop")
    assert Path("/run/esperd").is_dir()


def test_a_board_that_another_instance_runs_is_left_to_it(plug: Callable[[str], Board]) -> None:
    name = plug("ttyFAKE").name
    first, second = (Unit(f"esperd@{instance}.service") for instance in (name, f"dev-{name}"))
    first.systemctl("start")
    run("systemctl", "start", "--no-block", second.name)
    wait_until("the second has been refused", lambda: second.show("ExecMainStatus") == "75")
    # Tried again, as the first may go.
    assert second.state == "activating"
    first.systemctl("stop")
    wait_until("the second has the board", lambda: second.state == "active")
    second.systemctl("stop")


def test_of_two_instances_for_one_device_the_one_that_was_asked_for_has_it(plug: Callable[[str], Board]) -> None:
    board = plug("ttyFAKE")
    link = Path("/dev/serial/by-id", LINK)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(board.link)
    # As udev starts it.
    unasked, asked = Unit(f"esperd@{LINK}.service"), Unit("esperd@ttyFAKE.service")
    try:
        asked.systemctl("start")
        unasked.systemctl("start")
        unasked.wait_for_status(f"{LINK} is served as ttyFAKE (pid {asked.pid}); 0 viewers")
        asked.wait_for_status("ttyFAKE connected")
        asked.systemctl("stop")
        unasked.wait_for_status(f"{LINK} connected")
    finally:
        for unit in (asked, unasked):
            unit.systemctl("stop")
        link.unlink()


def test_a_board_behind_a_network_needs_the_drop_in() -> None:
    shipped = next(BIN.parent.glob("lib/python3*/site-packages/esperctl/systemd"))
    drop_in = UNITS / "esperd@net.service.d"
    with socket.create_server(("127.0.0.1", 0)) as board:
        CONFIGURATION.write_text(f'[boards.net]\nport = "socket://127.0.0.1:{board.getsockname()[1]}"\n')
        unit = Unit("esperd@net.service")
        try:
            unit.systemctl("start")
            assert (board_state("net"), unit.status) == ("absent", "net absent; 0 viewers")
            unit.systemctl("stop")
            run("install", "-D", "-m", "644", "-t", drop_in, shipped / "system/network.conf")
            run("systemctl", "daemon-reload")
            unit.systemctl("start")
            unit.wait_for_status("net connected")
        finally:
            unit.systemctl("stop")
            CONFIGURATION.unlink()
            shutil.rmtree(drop_in)
            run("systemctl", "daemon-reload")
