"""Which port the instance of a service template stands for: ``esperd@ttyUSB0.service`` and its relatives.

An instance is, in the order they are tried: the name of a configured board; the name of a link in
``/dev/serial/by-id``, escaped or not; a path below ``/dev`` or ``/``, escaped as systemd-escape(1) does it.
"""

import re
from collections.abc import Collection
from typing import Final

# Source: systemd.unit(5), "String Escaping for Inclusion in Unit Names".
_ESCAPED: Final = re.compile(r"\\x([0-9a-fA-F]{2})")
# What udev begins the names of links to USB devices with. Source: systemd, rules.d/60-serial.rules.
_BY_ID_PREFIX: Final = "usb-"


def port_of_instance(instance: str, configured: Collection[str]) -> str:
    r"""The PORT argument for *instance*, as the service manager knows it (``%i``, not unescaped).

    Args:
        instance: ``ttyUSB0``, ``serial-by\x2did-usb\x2d…``, ``usb-…`` or the name of a board.
        configured: The names of configured boards.
    """
    path = unescape(instance.replace("-", "/"))
    # People and udev write names with a dash as they are, while to systemd a dash stands for a slash.
    name = unescape(instance)
    for board in (name, path):
        if board in configured:
            return board
    if name.startswith(_BY_ID_PREFIX):
        return f"/dev/serial/by-id/{name}"
    return f"/{path}" if path.startswith("dev/") else path


def unescape(text: str) -> str:
    r"""Reverses what systemd does to characters that a unit's name can't have: ``\x2d`` is a dash."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
