from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from esperctl.doctor import port_holders, ports, udev, user_groups
from esperctl.doctor.survey import Survey

if TYPE_CHECKING:
    from tests.esperctl.doctor.conftest import Daemons, Examine, Tree

DIALOUT = 20


@pytest.fixture
def file_gid(tree: Tree) -> int:
    """The group of the port, whose owner is nobody of the tree's users."""
    tree.adapter()
    port = tree.root / "dev/ttyUSB0"
    if os.getuid() == 0:  # whose files have a group that counts as none
        os.chown(port, 12345, DIALOUT)
    return port.stat().st_gid


def test_a_port_that_only_a_group_may_open_is_serious_and_says_which(
    stranger: Tree, file_gid: int, examine: Examine
) -> None:
    stranger.write("/etc/passwd", "bob:x:1001:1001::/home/bob:/bin/sh\n")
    stranger.write("/etc/group", f"dialout:x:{file_gid}:\n")
    found = examine(user_groups.check, stranger)["not_in_group"]
    assert (found.severity, found.subject) == ("serious", "/dev/ttyUSB0")
    assert "group dialout" in found.what
    assert found.mend is not None
    assert found.mend.startswith("sudo usermod -aG dialout bob ")


def test_a_group_that_was_joined_after_the_login_is_told_apart(stranger: Tree, file_gid: int, examine: Examine) -> None:
    stranger.write("/etc/passwd", "bob:x:1001:1001::/home/bob:/bin/sh\n")
    stranger.write("/etc/group", f"dialout:x:{file_gid}:bob\n")
    found = examine(user_groups.check, stranger)
    assert list(found) == ["group_not_active"]
    assert (found["group_not_active"].mend or "").startswith("newgrp dialout")


def test_a_member_may_open_the_port(stranger: Tree, file_gid: int, examine: Examine) -> None:
    stranger.groups = frozenset({file_gid})
    assert list(examine(user_groups.check, stranger)) == ["ports_allowed"]


def test_a_port_that_no_group_may_open_needs_a_rule(stranger: Tree, file_gid: int, examine: Examine) -> None:
    (stranger.root / "dev/ttyUSB0").chmod(0o600)
    found = examine(user_groups.check, stranger)["no_port_rule"]
    assert "mode 0600" in found.what
    assert found.what.startswith("the user ")
    assert 'GROUP="dialout"' in (found.mend or "")


def test_a_closed_port_that_a_daemon_has_is_only_a_note(
    stranger: Tree, file_gid: int, examine: Examine, daemons: Daemons
) -> None:
    found = examine(user_groups.check, stranger, daemons.survey())
    assert [finding.severity for finding in found.values()] == ["note"]


def test_without_a_port_the_usual_group_is_asked_for(stranger: Tree, examine: Examine) -> None:
    found = examine(user_groups.check, stranger)
    assert found["not_in_group"].severity == "warning"
    assert "dialout" in found["not_in_group"].what


def test_root_may_do_everything(tree: Tree, file_gid: int, examine: Examine) -> None:
    tree.uid = 0
    assert list(examine(user_groups.check, tree)) == ["ports_allowed"]


# Ports ----------------------------------------------------------------------------------------------------------


def test_a_port_is_described_with_its_stable_name(tree: Tree, examine: Examine) -> None:
    tree.adapter()
    found = examine(ports.check, tree)["port"]
    assert found.severity == "ok"
    assert "CP2102N (10c4:ea60), also /dev/serial/by-id/usb-Silicon_Labs_CP2102N_S1-1-if00-port0" in found.what


def test_no_port_at_all_is_a_note(tree: Tree, examine: Examine) -> None:
    assert examine(ports.check, tree)["no_ports"].severity == "note"


def test_a_port_without_a_device_is_a_container_s(tree: Tree, examine: Examine) -> None:
    tree.adapter()
    (tree.root / "dev/ttyUSB0").unlink()
    assert examine(ports.check, tree)["no_device_node"].severity == "serious"
    (tree.root / "run/udev").rmdir()
    assert "--device /dev/ttyUSB0" in examine(ports.check, tree)["no_device_node"].what


def test_an_adapter_without_a_port_needs_its_driver(tree: Tree, examine: Examine) -> None:
    tree.usb("1-2", "1a86", "7523", label="USB Serial")
    found = examine(ports.check, tree)["no_driver"]
    assert found.mend == "sudo modprobe ch341"
    assert "USB Serial (1a86:7523)" in found.what


@pytest.mark.parametrize(
    ("vendor", "product", "classes", "driver"),
    [
        ("303a", "1001", ("02", "0a", "ff"), "cdc_acm"),
        ("303a", "4001", ("03", "0a"), "cdc_acm"),
        ("303a", "4004", ("03",), None),
        ("303a", "4004", (), None),
        ("1a86", "55d4", ("02", "0a"), "cdc_acm"),
        ("0403", "6010", ("ff", "ff"), "ftdi_sio"),
        ("0403", "cff8", ("ff",), None),
    ],
)
def test_only_what_would_be_a_serial_port_lacks_its_driver(
    tree: Tree, examine: Examine, vendor: str, product: str, classes: tuple[str, ...], driver: str | None
) -> None:
    tree.usb("1-2", vendor, product, classes=classes)
    found = examine(ports.check, tree)
    assert (found["no_driver"].mend if driver else found.get("no_driver")) == (driver and f"sudo modprobe {driver}")


def test_other_usb_devices_are_no_business_of_ours(tree: Tree, examine: Examine) -> None:
    tree.usb("1-3", "046d", "c52b", label="a mouse")
    assert "no_driver" not in examine(ports.check, tree)


def test_two_adapters_with_one_serial_number_are_named_by_their_place(tree: Tree) -> None:
    for number in (1, 2):
        tree.usb(f"1-{number}", "10c4", "ea60", serial="0001")
        tree.port(f"ttyUSB{number}", f"1-{number}")
    [found] = [finding for finding in ports.check(tree.machine, Survey()) if finding.code == "same_serial"]
    assert "serial number 0001" in found.what
    assert found.mend == "ls -l /dev/serial/by-path"


def test_an_absent_board_says_why_and_what_else_is_plugged_in(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    tree.adapter("ttyUSB1")
    board = daemons.changed_board(state="absent", state_detail="no board at /dev/ttyUSB0 (No such file)")
    found = examine(ports.check, tree, daemons.survey(board))["board_absent"]
    assert (found.severity, found.subject) == ("serious", "bench1")
    assert found.what == "no board at /dev/ttyUSB0 (No such file)"
    assert "/dev/ttyUSB1" in (found.mend or "")


def test_a_board_by_a_name_that_moves_is_told_its_own(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    tree.adapter()
    tree.process(4242, "/usr/bin/esperd", "bench1=ttyUSB0")
    found = examine(ports.check, tree, daemons.survey())["kernel_name"]
    stable = "/dev/serial/by-id/usb-Silicon_Labs_CP2102N_S1-1-if00-port0"
    assert (found.mend or "").endswith(f"; /usr/bin/esperd bench1={stable} &") or "sudo -u" in (found.mend or "")
    # The board of a service has its port in the file, which goes before the instance's name.
    tree.process(4242, "esperd", "--instance", "bench1", unit="system.slice/esperd@bench1.service")
    found = examine(ports.check, tree, daemons.survey())["kernel_name"]
    assert f'[boards.bench1]\\nport = "{stable}"' in (found.mend or "")
    assert (found.mend or "").endswith("sudo systemctl reload esperd@bench1.service")


# Holders --------------------------------------------------------------------------------------------------------


def test_a_program_that_holds_a_board_s_port_is_serious(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    tree.adapter()
    tree.process(77, "/usr/bin/picocom", "-b", "115200", "/dev/ttyUSB0", opens=("/dev/null", "/dev/ttyUSB0"))
    found = examine(port_holders.check, tree, daemons.survey())["port_held"]
    assert (found.severity, found.subject) == ("serious", "/dev/ttyUSB0")
    assert "/usr/bin/picocom -b 115200 /dev/ttyUSB0 (pid 77) has it open, which bench1 needs" in found.what
    assert (found.mend or "").endswith("kill 77")


def test_a_board_that_is_named_by_a_link_is_held_by_whoever_has_the_device(
    tree: Tree, examine: Examine, daemons: Daemons
) -> None:
    tree.adapter()
    tree.process(77, "picocom", opens=("/dev/ttyUSB0",))
    board = daemons.changed_board(port="/dev/serial/by-id/usb-Silicon_Labs_CP2102N_S1-1-if00-port0")
    assert "bench1" in examine(port_holders.check, tree, daemons.survey(board))["port_held"].what


def test_the_daemon_itself_may_hold_its_port(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    tree.adapter()
    tree.process(4242, "/usr/bin/esperd", "ttyUSB0", opens=("/dev/ttyUSB0",))
    assert [found.severity for found in examine(port_holders.check, tree, daemons.survey()).values()] == ["ok"]


def test_the_other_end_of_a_pseudo_terminal_is_in_nobody_s_way(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    tree.process(4242, "/usr/bin/esperd", "/dev/pts/3", opens=("/dev/pts/3",))
    tree.process(77, "simulator", opens=("/dev/pts/3",), masters=(3,))
    survey = daemons.survey(daemons.changed_board(port="/dev/pts/3"))
    assert list(examine(port_holders.check, tree, survey)) == ["ports_free"]
    tree.process(78, "picocom", "/dev/pts/3", opens=("/dev/pts/3",), masters=(4,))
    assert "picocom /dev/pts/3 (pid 78) has it open" in examine(port_holders.check, tree, survey)["port_held"].what


def test_who_has_a_port_that_is_lent_is_not_to_be_killed(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    tree.process(77, "esptool.py", opens=("/dev/ttyUSB0",))
    survey = daemons.survey(daemons.changed_board(state="released"))
    found = examine(port_holders.check, tree, survey)["port_lent"]
    assert (found.severity, found.mend) == ("note", None)


def test_a_port_that_nobody_needs_is_held_with_a_warning_only(tree: Tree, examine: Examine) -> None:
    tree.adapter()
    tree.process(77, "screen", "/dev/ttyUSB0", opens=("/dev/ttyUSB0",))
    assert examine(port_holders.check, tree)["port_held"].severity == "warning"


def test_a_lock_file_of_a_dead_process_is_stale(tree: Tree, examine: Examine) -> None:
    tree.process(77, "picocom")
    tree.write("/run/lock/LCK..ttyUSB0", "     66\n")
    tree.write("/run/lock/LCK..ttyUSB1", "     77\n")
    tree.link("/var/lock", "../run/lock")
    found = examine(port_holders.check, tree)["stale_lock"]
    assert found.mend == "sudo rm /run/lock/LCK..ttyUSB0"


def test_udev_that_does_not_run_is_a_note(tree: Tree, examine: Examine) -> None:
    (tree.root / "run/udev").rmdir()
    assert examine(udev.check, tree)["no_udev"].severity == "note"


def test_a_port_without_a_name_of_its_own_is_a_matter_for_udev(tree: Tree, examine: Examine) -> None:
    tree.usb("1-1", "10c4", "ea60")
    tree.port("ttyUSB0", "1-1")
    assert examine(udev.check, tree)["no_stable_names"].subject == "/dev/ttyUSB0"
