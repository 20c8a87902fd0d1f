"""`esperctl service` on a machine where an administrator has been at work."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.inside.machine import BIN, UNITS, Board, Unit, board_state, esperctl, run, wait_until

SERVICE = UNITS / "esperd@.service"
DROP_IN = UNITS / "esperd@.service.d/10-program.conf"
CONFIGURATION = Path("/etc/esperd/esperd.toml")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Installed by the steps of systemd/README.md, as the tests after these expect it."""
    yield
    esperctl("service", "uninstall")
    shipped = next(BIN.parent.glob("lib/python3*/site-packages/esperctl/systemd"))
    for name, folder in (
        ("system/esperd@.service", UNITS),
        ("system/esperd@.socket", UNITS),
        ("sysusers.d/esperd.conf", Path("/etc/sysusers.d")),
        ("tmpfiles.d/esperd.conf", Path("/etc/tmpfiles.d")),
        ("udev/90-esperd.rules", Path("/etc/udev/rules.d")),
    ):
        run("install", "-D", "-m", "644", "-t", folder, shipped / name)
    run("systemd-sysusers")
    run("systemd-tmpfiles", "--create", "esperd.conf")
    run("systemctl", "daemon-reload")


def instances() -> str:
    return run("systemctl", "list-units", "--all", "--plain", "--no-legend", "esperd@*")


def test_a_deleted_unit_file_is_no_obstacle_to_uninstall(board: Board, unit: Unit) -> None:
    esperctl("service", "install", "--board", "ttyFAKE")
    # Started and not enabled, as by udev.
    run("systemctl", "start", "esperd@ttyNONE.service")
    SERVICE.unlink()
    run("systemctl", "daemon-reload")
    said = esperctl("service", "uninstall")
    assert instances() == ""
    assert run("pgrep", "--uid", "esperd", check=False) == ""
    assert not list(UNITS.glob("*.wants/esperd@*"))
    assert f"{SERVICE}\n" not in said


def test_a_deleted_unit_file_is_put_back_by_install(board: Board, unit: Unit) -> None:
    esperctl("service", "install")
    SERVICE.unlink()
    assert f"wrote {SERVICE}\n" in esperctl("service", "install", "--board", "ttyFAKE")
    unit.wait_for_status("connected")


def test_a_masked_unit_stays_so_and_that_is_told(unit: Unit) -> None:
    SERVICE.unlink()
    SERVICE.symlink_to("/dev/null")
    try:
        said = esperctl("service", "install", "--board", "ttyFAKE", check=False)
        assert f"kept {SERVICE}\n" in said
        assert "masked" in said
    finally:
        SERVICE.unlink()


def test_drop_ins_of_an_administrator_hold_and_outlive_an_uninstall(board: Board, unit: Unit) -> None:
    drop_in = UNITS / "esperd@ttyFAKE.service.d/mine.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nEnvironment=MINE=1\n")
    try:
        esperctl("service", "install", "--board", "ttyFAKE")
        unit.wait_for_status("connected")
        assert "MINE=1" in unit.show("Environment")
        assert f"kept {drop_in}\n    not from us\n" in esperctl("service", "uninstall")
        assert drop_in.exists()
    finally:
        drop_in.unlink()
        drop_in.parent.rmdir()


def test_units_that_are_wanted_by_another_target_are_stopped_and_forgotten(board: Board, unit: Unit) -> None:
    esperctl("service", "install")
    run("systemctl", "add-wants", "basic.target", "esperd@ttyFAKE.service")
    unit.systemctl("start")
    (UNITS / "mine@.service").symlink_to("esperd@.service")
    try:
        said = esperctl("service", "uninstall")
        assert f"kept {UNITS}/mine@.service\n    not from us\n" in said
        assert instances() == ""
        assert not list(UNITS.glob("*.wants/esperd@*"))
    finally:
        (UNITS / "mine@.service").unlink()


def test_purge_stops_daemons_although_the_record_is_lost(board: Board, unit: Unit) -> None:
    esperctl("service", "install", "--board", "ttyFAKE")
    unit.wait_for_status("connected")
    Path("/etc/esperd/installed.json").unlink()
    said = esperctl("service", "uninstall", "--purge")
    assert said.index("esperd@ttyFAKE.service") < said.index("removed /var/lib/esperd")
    assert unit.state == "inactive"
    assert not Path("/var/lib/esperd").exists()
    # As nothing says any more that they are ours, files stay.
    assert DROP_IN.exists()
    for path in (SERVICE, DROP_IN, CONFIGURATION):
        path.unlink()


def test_an_installation_that_the_service_can_not_read_is_refused() -> None:
    run("python3", "-m", "venv", "/root/esperd")
    run("/root/esperd/bin/pip", "install", "--quiet", "--no-index", "--find-links", "/opt/wheels", "esperd")
    said = run("/root/esperd/bin/esperctl", "service", "install", check=False)
    assert "the service can't use /root/esperd/bin/esperd: it keeps off /root" in said
    assert not Path("/etc/esperd/installed.json").exists()


def test_an_installation_below_usr_local_is_started_from_there(board: Board, unit: Unit) -> None:
    run("python3", "-m", "venv", "/usr/local/lib/esperd")
    run("/usr/local/lib/esperd/bin/pip", "install", "--quiet", "--no-index", "--find-links", "/opt/wheels", "esperd")
    run("/usr/local/lib/esperd/bin/esperctl", "service", "install", "--board", "ttyFAKE")
    wait_until("it is connected", lambda: board_state("ttyFAKE") == "connected")
    assert Path(f"/proc/{unit.pid}/cmdline").read_bytes().split(b"\0")[1] == b"/usr/local/lib/esperd/bin/esperd"
