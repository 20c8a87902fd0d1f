"""``hwgrep://``: the serial device whose name, description or hardware id matches, from what the kernel lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serial.tools.list_ports import grep

from esperd.ports.holders import find_holders
from esperd.ports.port import PortNotFound

if TYPE_CHECKING:
    from esperd.ports.endpoint_kinds import HardwareEndpoint


async def find_hardware(endpoint: HardwareEndpoint) -> str:
    """Returns the path of the matching device, e.g. ``/dev/ttyUSB0``; opens none of them.

    Source:
        The meaning of the URL is that of pyserial's urlhandler/protocol_hwgrep.py, but that ``n=1`` is allowed and
        ``skip_busy`` looks at who holds a device instead of opening it.

    Raises:
        PortNotFound: Too few devices match.
    """
    devices: list[str] = sorted(str(found.device) for found in grep(endpoint.pattern))
    if endpoint.skip_busy:
        devices = [device for device in devices if not await find_holders(device)]
    if len(devices) < endpoint.index:
        raise PortNotFound(
            endpoint.text,
            f"{endpoint.text} matches {len(devices)} serial devices: list all with `pyserial-ports -v`",
        )
    return devices[endpoint.index - 1]
