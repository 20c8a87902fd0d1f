"""Ports that the system's service may not open, since its unit confines it: what is on a network, what is not on USB.

Source: systemd.exec(5), systemd.resource-control(5).
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from esperd.configuration.file import SettingsFile, key_text
from esperd.configuration.service_unit import ServiceUnit
from esperd.errors import ConfigurationError
from esperd.ports.endpoint import EndpointError, parse_endpoint
from esperd.ports.endpoint_kinds import DeviceEndpoint, Rfc2217Endpoint, TcpEndpoint

_EDIT: Final = "`sudo systemctl edit esperd@.service`: [Service]"
_OPEN_NETWORK: Final = "PrivateNetwork=no, RestrictAddressFamilies=AF_INET AF_INET6, IPAddressDeny= (a line each)"
_KIND: Final = re.compile(r"(tty[A-Za-z]+)\d+")
# Drivers that are called as their devices are; /proc/devices has them.
_NAMED_KINDS: Final = frozenset({"ttyAMA", "ttyS", "ttyUSB", "ttyACM"})


def port_warnings(unit: ServiceUnit, file: SettingsFile) -> Iterator[ConfigurationError]:
    """One for each board of the file whose port the service can't open."""
    for name, board in file.settings.boards.items():
        if board.port and (found := _obstacle(unit.of_instance(name), board.port)) is not None:
            setting, drop_in = found
            yield file.located(
                ConfigurationError(
                    f"boards.{key_text((name,))}.port is {board.port!r}, which the service may not open ({setting})",
                    f"{_EDIT}, {drop_in}",
                    key=("boards", name, "port"),
                )
            )


def _obstacle(unit: ServiceUnit, port: str) -> tuple[str, str] | None:
    """The setting of the unit that keeps the service from a port, and what a drop-in for it says."""
    try:
        endpoint = parse_endpoint(port)
    except EndpointError:
        return None  # which is told as such
    if isinstance(endpoint, DeviceEndpoint):
        return _device_obstacle(unit, endpoint.path)
    if isinstance(endpoint, TcpEndpoint | Rfc2217Endpoint) and (setting := _network_obstacle(unit)) is not None:
        return setting, _OPEN_NETWORK
    return None


def _network_obstacle(unit: ServiceUnit) -> str | None:
    if unit.is_on("PrivateNetwork"):
        return "PrivateNetwork=yes"
    families = unit.words("RestrictAddressFamilies")
    if families and not families[0].startswith("~") and {"AF_INET", "AF_INET6"}.isdisjoint(families):
        return f"RestrictAddressFamilies={' '.join(families)}"
    is_denied = "any" in unit.words("IPAddressDeny") and not unit.words("IPAddressAllow")
    return "IPAddressDeny=any" if is_denied else None


def _device_obstacle(unit: ServiceUnit, path: str) -> tuple[str, str] | None:
    policy, allowed = unit.text("DevicePolicy").lower(), unit.words("DeviceAllow")
    device = Path(path).resolve()
    kind = _KIND.fullmatch(device.name)
    if kind is None or not (allowed or policy in ("closed", "strict")):
        return None
    if any(word in (path, str(device)) or fnmatchcase(f"char-{kind[1]}", word) for word in allowed):
        return None
    what = f"char-{kind[1]}" if kind[1] in _NAMED_KINDS else str(device)
    return f"DevicePolicy={policy}" if policy else "DeviceAllow", f"DeviceAllow={what} rw"
