from __future__ import annotations

import pytest
from serial.tools.list_ports import comports

from esperd.ports.endpoint_kinds import HardwareEndpoint
from esperd.ports.hwgrep import find_hardware
from esperd.ports.port import PortNotFound


async def test_no_match_says_how_to_list_the_devices() -> None:
    with pytest.raises(PortNotFound, match=r"hwgrep://no-such-board&n=2 matches 0 serial devices: .*pyserial-ports"):
        await find_hardware(HardwareEndpoint("no-such-board", 2))


async def test_the_matches_are_counted_from_one_in_the_order_of_their_names() -> None:
    devices = sorted(str(port.device) for port in comports())
    if not devices:
        pytest.skip("this machine has no serial device")
    assert [await find_hardware(HardwareEndpoint(".", index + 1)) for index in range(len(devices))] == devices
