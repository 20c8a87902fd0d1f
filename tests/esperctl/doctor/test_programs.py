from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from esperctl.doctor import device_manager, gdb, sockets, versions
from esperctl.doctor.survey import Survey, Trouble

if TYPE_CHECKING:
    from tests.esperctl.doctor.conftest import Daemons, Examine, Tree

SHIPPED_RULES = (Path(__file__).parents[3] / "systemd/udev/90-esperd.rules").read_text("utf-8")
BRLTTY = '# ENV{PRODUCT}=="403/6001/*"\nENV{PRODUCT}=="10c4/ea60/*", ATTRS{manufacturer}=="Silicon Labs", GOTO="brl"\n'


def test_a_modem_manager_that_was_not_told_is_a_warning_with_a_rule(tree: Tree, examine: Examine) -> None:
    tree.adapter()
    tree.process(5, "/usr/sbin/ModemManager")
    found = examine(device_manager.check, tree)["modem_manager"]
    assert found.severity == "warning"
    assert 'ATTRS{idVendor}=="10c4", ENV{ID_MM_DEVICE_IGNORE}="1"' in (found.mend or "")


@pytest.mark.parametrize(
    ("rule", "is_told"),
    [
        ('ATTRS{idVendor}=="10c4", ATTRS{idProduct}=="ea60", ENV{ID_MM_DEVICE_IGNORE}="1"\n', True),
        ('SUBSYSTEM=="tty", ENV{ID_VENDOR_ID}=="10C4", ENV{ID_MM_PORT_IGNORE}="1"\n', True),
        ('# ATTRS{idVendor}=="10c4", ENV{ID_MM_DEVICE_IGNORE}="1"\n', False),
        ('ATTRS{idVendor}=="303a", ENV{ID_MM_DEVICE_IGNORE}="1"\n', False),
        ('ATTRS{idVendor}=="10c4", ATTRS{idProduct}=="0001|ea6?", ENV{ID_MM_DEVICE_IGNORE}="1"\n', True),
        ('ATTRS{idVendor}=="10c4", ATTRS{idProduct}=="0001", ENV{ID_MM_DEVICE_IGNORE}="1"\n', False),
    ],
)
def test_a_modem_manager_heeds_udev_rules(tree: Tree, examine: Examine, rule: str, is_told: bool) -> None:
    tree.adapter()
    tree.process(5, "/usr/sbin/ModemManager")
    tree.write("/usr/lib/udev/rules.d/77-boards.rules", rule)
    assert ("modem_manager" not in examine(device_manager.check, tree)) == is_told


def test_rules_in_etc_stand_in_for_those_of_the_same_name(tree: Tree, examine: Examine) -> None:
    tree.adapter()
    tree.process(5, "ModemManager")
    tree.write("/usr/lib/udev/rules.d/77-boards.rules", 'ATTRS{idVendor}=="10c4", ENV{ID_MM_DEVICE_IGNORE}="1"\n')
    tree.write("/etc/udev/rules.d/77-boards.rules", "")
    assert "modem_manager" in examine(device_manager.check, tree)


@pytest.mark.parametrize(
    ("vendor", "product", "is_meant"),
    [("10c4", "ea60", True), ("303a", "1001", True), ("0403", "6015", True), ("067b", "2303", False)],
)
def test_a_modem_manager_keeps_off_what_the_shipped_rules_name(
    tree: Tree, examine: Examine, vendor: str, product: str, is_meant: bool
) -> None:
    tree.write("/etc/udev/rules.d/90-esperd.rules", SHIPPED_RULES)
    tree.usb("1-1", vendor, product)
    tree.port("ttyUSB0", "1-1")
    tree.process(5, "/usr/sbin/ModemManager")
    assert ("modem_manager" not in examine(device_manager.check, tree)) == is_meant


def test_what_is_plugged_in_next_is_named_by_the_shipped_rules_too(tree: Tree, examine: Examine) -> None:
    tree.process(5, "/usr/sbin/ModemManager")
    assert examine(device_manager.check, tree)["modem_manager"].severity == "note"
    tree.write("/etc/udev/rules.d/90-esperd.rules", SHIPPED_RULES)
    assert list(examine(device_manager.check, tree)) == ["no_grabbers"]


def test_no_modem_manager_is_fine(tree: Tree, examine: Examine) -> None:
    tree.adapter()
    assert list(examine(device_manager.check, tree)) == ["no_grabbers"]


@pytest.mark.parametrize(("runs", "severity"), [(True, "serious"), (False, "warning")])
def test_brltty_that_claims_an_adapter_that_is_there(tree: Tree, examine: Examine, runs: bool, severity: str) -> None:
    tree.usb("1-1", "10c4", "ea60", label="CP2102")
    tree.write("/usr/lib/udev/rules.d/85-brltty.rules", BRLTTY)
    if runs:
        tree.process(6, "/usr/bin/brltty", "-E")
    found = examine(device_manager.check, tree)["brltty"]
    assert found.severity == severity
    assert "CP2102 (10c4:ea60)" in found.what
    assert "systemctl mask" in (found.mend or "")


def test_an_adapter_that_has_its_port_was_not_taken_by_brltty(tree: Tree, examine: Examine) -> None:
    tree.adapter()
    tree.write("/usr/lib/udev/rules.d/85-brltty.rules", BRLTTY)
    tree.process(6, "/usr/bin/brltty", "-E")
    assert list(examine(device_manager.check, tree)) == ["no_grabbers"]


def test_an_adapter_that_the_shipped_rules_release_is_not_taken_by_brltty(tree: Tree, examine: Examine) -> None:
    tree.usb("1-1", "10c4", "ea60")
    tree.write("/usr/lib/udev/rules.d/85-brltty.rules", BRLTTY)
    tree.write("/usr/lib/udev/rules.d/90-esperd.rules", SHIPPED_RULES)
    tree.process(6, "/usr/bin/brltty", "-E")
    assert list(examine(device_manager.check, tree)) == ["no_grabbers"]


def test_a_claim_in_a_comment_is_none(tree: Tree, examine: Examine) -> None:
    tree.usb("1-1", "0403", "6001")
    tree.write("/usr/lib/udev/rules.d/85-brltty.rules", BRLTTY)
    assert "brltty" not in examine(device_manager.check, tree)


def test_gpsd_and_a_login_prompt_take_ports(tree: Tree, examine: Examine) -> None:
    tree.adapter()
    tree.process(7, "/usr/sbin/gpsd")
    tree.process(8, "/sbin/agetty", "-L", "ttyUSB0", "115200", "vt220")
    tree.process(9, "/sbin/agetty", "tty1")
    found = examine(device_manager.check, tree)
    assert set(found) == {"gpsd", "login_prompt"}
    assert found["login_prompt"].mend == "sudo systemctl disable --now serial-getty@ttyUSB0.service"


@pytest.mark.parametrize(
    ("text", "is_off"),
    [
        ('START_DAEMON="true"\nUSBAUTO="false"\n', True),
        ("USBAUTO='false'\n", True),
        ('USBAUTO="true"\n', False),
        ('# USBAUTO="false"\n', False),
    ],
)
def test_a_gpsd_that_leaves_usb_alone_is_fine(tree: Tree, examine: Examine, text: str, is_off: bool) -> None:
    tree.adapter()
    tree.process(7, "/usr/sbin/gpsd")
    tree.write("/etc/default/gpsd", text)
    assert ("gpsd" not in examine(device_manager.check, tree)) == is_off


# Daemons --------------------------------------------------------------------------------------------------------


def test_a_daemon_of_another_version_is_to_be_restarted(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    unit = "system.slice/system-esperd.slice/esperd@bench1.service"
    tree.process(4242, "esperd", "--instance", "bench1", unit=unit)
    found = examine(versions.check, tree, daemons.survey(version="0.0.9"))["other_version"]
    assert found.subject == "esperd 0.0.9"
    assert found.mend == "sudo systemctl restart esperd@bench1.service"


@pytest.mark.parametrize(
    ("kind", "severity"), [("stale", "note"), ("forbidden", "serious"), ("mute", "serious"), ("refused", "serious")]
)
def test_sockets_that_do_not_answer(tree: Tree, examine: Examine, kind: str, severity: str) -> None:
    trouble = Trouble("/run/esperd/a.sock", kind, "it is so", "do this")  # type: ignore[arg-type] # one of the four
    found = examine(sockets.check, tree, Survey(troubles=(trouble,)))
    assert found[f"socket_{kind}"].severity == severity
    # Only what left its socket behind reads no board.
    assert ("no_daemon" in found) == (kind == "stale")


def test_a_machine_without_a_daemon_is_told_how_to_start_one(tree: Tree, examine: Examine) -> None:
    found = examine(sockets.check, tree)["no_daemon"]
    assert found.severity == "warning"
    assert (found.mend or "").startswith("esperd sim:console &")
    tree.adapter("ttyUSB3")
    assert examine(sockets.check, tree)["no_daemon"].mend == "esperd ttyUSB3 &"
    tree.write("/etc/systemd/system/esperd@.service")
    assert examine(sockets.check, tree)["no_daemon"].mend == "sudo systemctl enable --now esperd@ttyUSB3"


def test_a_folder_that_is_closed_is_serious_when_nobody_else_answers(
    tree: Tree, examine: Examine, daemons: Daemons
) -> None:
    alone = examine(sockets.check, tree, Survey(closed_folders=("/run/esperd",)))
    assert alone["closed_folder"].severity == "serious"
    answered = Survey(daemons.survey().answers, (), ("/run/esperd",))
    assert examine(sockets.check, tree, answered)["closed_folder"].severity == "warning"


@pytest.mark.parametrize(
    "arguments",
    [
        ("/usr/bin/esperd", "ttyUSB0"),
        ("/usr/bin/python3", "/usr/local/bin/esperd", "ttyUSB0"),
        ("python3", "-m", "esperd", "ttyUSB0"),
    ],
)
def test_a_daemon_whose_socket_is_elsewhere_is_found_by_its_process(
    tree: Tree, examine: Examine, arguments: tuple[str, ...]
) -> None:
    tree.process(11, *arguments)
    assert examine(sockets.check, tree)["daemon_elsewhere"].subject == "process 11"


@pytest.mark.parametrize(
    ("flags", "socket"),
    [(("--socket", "/srv/x y.sock"), "'/srv/x y.sock'"), (("--runtime-dir=lab",), "/srv/lab/a.sock"), ((), None)],
)
def test_the_socket_of_a_daemon_is_read_from_its_flags(
    tree: Tree, examine: Examine, flags: tuple[str, ...], socket: str | None
) -> None:
    tree.process(11, "esperd", *flags, "a=ttyUSB0")
    tree.link("/proc/11/cwd", "/srv")
    tree.write("/srv/lab/a.sock")
    found = examine(sockets.check, tree)["daemon_elsewhere"].mend or ""
    assert found == f"esperctl --socket {socket} doctor" if socket else found.startswith("tr ")


def test_a_decoder_is_no_daemon(tree: Tree, examine: Examine) -> None:
    tree.process(11, "python3", "-m", "esperd.decode.worker")
    tree.process(12, "vi", "esperd")
    tree.process(13, "kthreadd", name="kthreadd")
    tree.write("/proc/13/cmdline", "")
    assert "daemon_elsewhere" not in examine(sockets.check, tree)


# GDB ------------------------------------------------------------------------------------------------------------


def test_a_gdb_is_looked_for_by_the_chips_that_were_seen(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    missing = examine(gdb.check, tree, daemons.survey())
    assert missing["no_gdb"].severity == "note"
    assert "xtensa-esp32-elf-gdb" in missing["no_gdb"].what
    tree.write("/usr/bin/xtensa-esp32-elf-gdb", mode=0o755)
    assert examine(gdb.check, tree, daemons.survey())["gdb"].what == "/usr/bin/xtensa-esp32-elf-gdb"
    risc_v = daemons.survey(daemons.changed_board(chip="esp32c3"))
    assert examine(gdb.check, tree, risc_v)["no_gdb"].subject == "RISC-V"


def test_without_a_chip_no_gdb_is_missed(tree: Tree, examine: Examine, daemons: Daemons) -> None:
    assert examine(gdb.check, tree, daemons.survey(daemons.changed_board(chip=None))) == {}
