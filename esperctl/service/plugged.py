"""The instance that udev starts for a chip, where it is plugged in now.

`ttyACM0` is whichever board was plugged in first. A chip with Espressif's own USB has a serial number of its own, by
which `90-esperd.rules` starts its daemon: a second one for the same chip would only wait.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esperctl.service.instances import enabled
from esperctl.service.scope import Scope
from esperctl.service.udev_rules import is_started_by_udev

_ESPRESSIF: Final = "303a"


@dataclass(frozen=True, slots=True)
class Chip:
    """A chip that is plugged in. ``link`` is the name of its link in ``/dev/serial/by-id``."""

    link: str
    is_started_by_udev: bool


def plugged_chip(scope: Scope, instance: str) -> Chip | None:
    """The chip of a device of /dev; None for all else, and where the instance stays what it is called."""
    device = scope.place("/dev") / instance
    if "\\" in instance or not device.exists() or _is_chosen(scope, instance):
        return None
    name = device.resolve().name
    # The interface's folder, and around it the device's. Source: Linux, Documentation/ABI/testing/sysfs-bus-usb.
    usb = (scope.place("/sys/class/tty") / name / "device").resolve().parent
    vendor = _attribute(usb, "idVendor")
    links = sorted(scope.place("/dev/serial/by-id").glob("usb-*")) if vendor == _ESPRESSIF else []
    link = next((link.name for link in links if link.resolve() == device.resolve()), None)
    if link is None:
        return None
    product, serial = _attribute(usb, "idProduct"), _attribute(usb, "serial")
    known = {
        "ACTION": "add", "SUBSYSTEM": "tty", "KERNEL": name,
        "ENV{ID_VENDOR_ID}": vendor, "ENV{ID_MODEL_ID}": product, "ENV{ID_SERIAL_SHORT}": serial,
        "ATTRS{idVendor}": vendor, "ATTRS{idProduct}": product, "ATTRS{serial}": serial,
    }  # fmt: skip
    chip = {key: value for key, value in known.items() if value is not None}
    return Chip(link, is_started_by_udev(scope, chip))


def _attribute(usb: Path, name: str) -> str | None:
    try:
        return (usb / name).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _is_chosen(scope: Scope, board: str) -> bool:
    """Whether somebody gave a board this very name, or has its daemon started by it already."""
    if f"esperd@{board}.service" in enabled(scope):
        return True
    try:
        boards = tomllib.loads((scope.configuration / "esperd.toml").read_text("utf-8")).get("boards", {})
    except (OSError, ValueError):
        return False
    return isinstance(boards, dict) and board in boards
