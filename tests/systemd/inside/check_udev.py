"""The rules, by the real udev, on a device that an earlier rule makes look like a board's."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.systemd.inside.machine import run

RULES = Path("/etc/udev/rules.d")
CP2102 = {
    "ID_BUS": "usb",
    "ID_VENDOR_ID": "10c4",
    "ID_MODEL_ID": "ea60",
    "ID_SERIAL": "Silicon_Labs_CP2102_0001",
    "ID_SERIAL_SHORT": "0001",
    "ID_USB_INTERFACE_NUM": "00",
    ".ID_PORT": "0",
}
CHIP = {
    "ID_BUS": "usb",
    "ID_VENDOR_ID": "303a",
    "ID_MODEL_ID": "1001",
    "ID_SERIAL": "Espressif_USB_JTAG_7C:DF:A1",
    "ID_USB_INTERFACE_NUM": "00",
}
Look = Callable[..., dict[str, str]]


@pytest.fixture
def look() -> Iterator[Look]:
    """What udev would know of a terminal with such properties, and of the rules in *more*."""
    before, own = RULES / "88-test.rules", RULES / "89-esperd-boards.rules"

    def look(properties: dict[str, str], more: str = "") -> dict[str, str]:
        before.write_text("".join(f'ENV{{{key}}}="{value}"\n' for key, value in properties.items()))
        own.write_text(more)
        said = run("udevadm", "test", "--action=add", "/sys/class/tty/ptmx")
        complaints = [
            line for line in said.splitlines() if re.search("esperd.*rules.*(?i:invalid|unknown|error)", line)
        ]
        assert complaints == []
        return dict(re.findall(r"^(\S+?)=(.*)$", said, re.MULTILINE))

    yield look
    before.unlink(missing_ok=True)
    own.unlink(missing_ok=True)


def test_a_chips_own_usb_is_started_by_its_link(look: Look) -> None:
    found = look(CHIP)
    assert found["SYSTEMD_WANTS"].split() == ["esperd@usb-Espressif_USB_JTAG_7C:DF:A1-if00.service"]
    assert "systemd" in found["TAGS"]


def test_a_bridge_is_kept_for_us_and_not_started_unasked(look: Look) -> None:
    found = look(CP2102)
    assert (found["ID_MM_DEVICE_IGNORE"], found["ID_MM_PORT_IGNORE"]) == ("1", "1")
    assert "SYSTEMD_WANTS" not in found


def test_the_bridges_that_are_asked_for_are_started(look: Look) -> None:
    found = look(CP2102, 'ENV{ID_VENDOR_ID}=="10c4", ENV{ESPERD_START}="1"\n')
    assert found["SYSTEMD_WANTS"].split() == ["esperd@usb-Silicon_Labs_CP2102_0001-if00-port0.service"]


def test_a_board_with_a_name_is_started_by_it(look: Look) -> None:
    found = look(CP2102, 'ENV{ID_SERIAL_SHORT}=="0001", SYMLINK+="esp/left", ENV{ESPERD_INSTANCE}="left"\n')
    assert found["SYSTEMD_WANTS"].split() == ["esperd@left.service"]
    assert "/dev/esp/left" in found["DEVLINKS"].split()


def test_the_shipped_examples_are_rules(look: Look) -> None:
    examples = Path("/root/89-esperd-boards.rules.example").read_text()
    assert look(CP2102, examples)["SYSTEMD_WANTS"].split() == ["esperd@usb-Silicon_Labs_CP2102_0001-if00-port0.service"]
    assert look(CP2102 | {"ID_SERIAL_SHORT": "0123abcd"}, examples)["SYSTEMD_WANTS"] == "esperd@left.service"
    assert "SYSTEMD_WANTS" not in look(CHIP, examples)


def test_other_devices_are_left_alone(look: Look) -> None:
    found = look({"ID_BUS": "usb", "ID_VENDOR_ID": "2341", "ID_MODEL_ID": "0043"})
    assert {"SYSTEMD_WANTS", "ID_MM_DEVICE_IGNORE"}.isdisjoint(found)


def test_brltty_does_not_get_a_bridge(look: Look) -> None:
    # A terminal here takes the part of the USB device, whose subsystem is all that the rule asks for.
    rules = (RULES / "90-esperd.rules").read_text()
    braille = {"BRLTTY_BRAILLE_DRIVER": "bm", "SYSTEMD_WANTS": "brltty-device@.service"}
    try:
        (RULES / "90-esperd.rules").write_text(rules.replace('SUBSYSTEM=="usb"', 'SUBSYSTEM=="tty"'))
        assert {"SYSTEMD_WANTS", "BRLTTY_BRAILLE_DRIVER"}.isdisjoint(look(CP2102 | braille))
    finally:
        (RULES / "90-esperd.rules").write_text(rules)
    assert look(CP2102 | braille)["SYSTEMD_WANTS"] == "brltty-device@.service"
