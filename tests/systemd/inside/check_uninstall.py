"""The steps of systemd/README.md backwards."""

from pathlib import Path

from tests.systemd.inside.machine import UNITS, Board, Unit, run


def test_nothing_is_left_but_what_boards_said() -> None:
    board = Board("ttyFAKE")
    unit = Unit("esperd@ttyFAKE.service")
    run("systemctl", "enable", "--now", unit.name)
    unit.wait_for_status("connected")
    run("systemctl", "disable", "esperd@.service", "esperd@.socket")
    run("systemctl", "stop", "esperd@*")
    assert unit.state == "inactive"
    assert not list(UNITS.glob("*.wants/esperd@*"))
    board.unplug()
    for path in (
        "/etc/systemd/system/esperd@.service",
        "/etc/systemd/system/esperd@.socket",
        "/etc/systemd/system/esperd@.service.d/quick.conf",
        "/etc/systemd/user/esperd@.service",
        "/etc/systemd/user/esperd@.socket",
        "/etc/sysusers.d/esperd.conf",
        "/etc/tmpfiles.d/esperd.conf",
        "/etc/udev/rules.d/90-esperd.rules",
        "/usr/local/bin/esperd",
        "/usr/local/bin/esperctl",
    ):
        Path(path).unlink()
    run("rm", "-r", "/opt/esperd", "/run/esperd")
    run("systemctl", "daemon-reload")
    run("userdel", "esperd")
    assert run("systemctl", "list-units", "--all", "--plain", "--no-legend", "esperd@*") == ""
    assert run("find", "/etc/systemd", "-name", "*esperd@*.wants*") == ""
    assert Path("/var/lib/esperd/boards/ttyFAKE/journal").is_dir()
