"""The GDB stub's stop reply: ``$T0b#e6``, with no newline, after which the firmware waits for a debugger.

Source: GDB Remote Serial Protocol, "Stop Reply Packets": ``$`` packet ``#`` two hex digits, the sum of the packet's
bytes modulo 256. esp-idf components/esp_gdbstub/src/packet.c sends it.
"""

import re
from typing import Final

_PACKET: Final = re.compile(rb"\$(T[0-9a-fA-F]{2}[^$#]{0,1024})#([0-9a-fA-F]{2})")

ANCHOR: Final = b"$T"


def find_stop_reply(line: bytes, start: int = 0) -> tuple[str, int] | None:
    """The first packet of *line* at or after *start* whose checksum is right, and where it ends."""
    for match in _PACKET.finditer(line, start):
        if sum(match[1]) & 0xFF == int(match[2], 16):
            return match[0].decode("ascii", "backslashreplace"), match.end()
    return None
