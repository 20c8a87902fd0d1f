"""The instance that udev starts for a chip, where it is plugged in now.

`ttyACM0` is whichever board was plugged in first. A chip with Espressif's own USB has a serial number of its own, by
which `90-esperd.rules` starts its daemon: a second one for the same chip would only wait.
"""

import tomllib
from typing import Final

from esperctl.service.scope import Scope

_ESPRESSIF: Final = "303a"


def instance_by_link(scope: Scope, instance: str) -> str | None:
    """The name of the link in ``/dev/serial/by-id``, for a device of /dev that is such a chip; None for all else."""
    device = scope.place("/dev") / instance
    if "\\" in instance or not device.exists() or _is_configured(scope, instance):
        return None
    usb = scope.place("/sys/class/tty") / device.resolve().name / "device"
    try:
        # The interface's folder, and around it the device's. Source: Linux, Documentation/ABI/testing/sysfs-bus-usb.
        vendor = (usb.resolve().parent / "idVendor").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    links = sorted(scope.place("/dev/serial/by-id").glob("usb-*")) if vendor == _ESPRESSIF else []
    return next((link.name for link in links if link.resolve() == device.resolve()), None)


def _is_configured(scope: Scope, board: str) -> bool:
    """Whether somebody gave a board this very name."""
    try:
        boards = tomllib.loads((scope.configuration / "esperd.toml").read_text("utf-8")).get("boards", {})
    except (OSError, ValueError):
        return False
    return isinstance(boards, dict) and board in boards
