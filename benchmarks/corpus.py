"""What the simulated boards say: log lines of ESP-IDF's shape, and panics with core dumps; all made here, by a seed.

A tagged line ends in ``#%08d``, its number, by which a drain knows when it was written and whether one is missing.
"""

import base64
import hashlib
import itertools
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_SEED: Final = 20_260_301
_COLORS: Final = {"E": "31", "W": "33", "I": "32"}
_TAGS: Final = (
    "wifi",
    "esp_netif_handlers",
    "mqtt_client",
    "app_main",
    "sensor",
    "gpio",
    "nvs",
    "heap_init",
    "phy_init",
)
_WORDS: Final = (
    "sta ip: 192.168.1.57, mask: 255.255.255.0",
    "published topic room/7 bytes",
    "connected with bench, aid = 1",
    "free heap low water mark",
    "state changed from idle to sampling, retry in 250 ms",
    "buffer of queue is full",
    "checked page of partition",
)
_DUMP_BYTES: Final = 12_000
# Between two dumps: with the text of a panic and a boot, an eighth of the bytes is base64.
_LINES_BETWEEN_DUMPS: Final = 1_100
# At 300 kB/s a crash each 2 s: decoding goes on nearly always.
_LINES_BETWEEN_CRASHES: Final = 6_000
_PANIC: Final = """\
Guru Meditation Error: Core  0 panic'ed (LoadProhibited). Exception was unhandled.

Core  0 register dump:
PC      : 0x400d5c3b  PS      : 0x00060630  A0      : 0x800d6f4a  A1      : 0x3ffb4fd0
A2      : 0x00000000  A3      : 0x3ffb5b2c  A4      : 0x00000001  A5      : 0x00000000
EXCVADDR: 0x00000000  LBEG    : 0x400014fd  LEND    : 0x4000150d  LCOUNT  : 0xffffffff

Backtrace: 0x400d5c38:0x3ffb4fd0 0x400d6f47:0x3ffb4ff0 0x40087b1d:0x3ffb5010

"""
_DUMP_START: Final = "================= CORE DUMP START =================\n"
_DUMP_END: Final = "================= CORE DUMP END =================\n"
_BOOT: Final = """\
Rebooting...
ets Jul 29 2019 12:21:46

rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)
I (31) boot: ESP-IDF v5.4 2nd stage bootloader
I (322) app_init: Project name:     bench
I (326) app_init: ELF file SHA256:  0123456789abcdef...
I (349) main_task: Calling app_main()
"""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Bytes, and where each tagged line ends (offset of the byte after it; the index is the tag)."""

    data: bytes
    tag_ends: list[int]
    dumps: int


def log_corpus(size_bytes: int) -> Corpus:
    """Log lines of 92 bytes on average with colour and CRLF."""
    return _collect(size_bytes, _log_lines())


def dump_corpus(size_bytes: int) -> Corpus:
    """Log lines with panics, core dumps and boots in between."""
    return _collect(size_bytes, _lines_with_dumps())


def crash_corpus(size_bytes: int, crash: bytes) -> Corpus:
    """Log lines with a recorded crash in between, again and again."""
    return _collect(size_bytes, _lines_with_crashes(crash))


def _collect(size_bytes: int, pieces: Iterator[tuple[bytes, bool]]) -> Corpus:
    data = bytearray()
    tag_ends: list[int] = []
    dumps = 0
    for piece, is_dump in pieces:
        if is_dump:
            data += piece
            dumps += 1
        elif len(data) >= size_bytes:
            break
        else:
            data += piece + b"#%08d\x1b[0m\r\n" % len(tag_ends)
            tag_ends.append(len(data))
    return Corpus(bytes(data), tag_ends, dumps)


def _log_lines() -> Iterator[tuple[bytes, bool]]:
    chance = random.Random(_SEED)  # noqa: S311 - text that is the same each time, not a secret
    milliseconds = 300
    while True:
        milliseconds += chance.randrange(1, 40)
        level = chance.choice("IIIIIIWE")
        text = f"{chance.choice(_WORDS)} {chance.randrange(1_000_000)}"
        padding = "." * chance.randrange(24)
        line = f"\x1b[0;{_COLORS[level]}m{level} ({milliseconds}) {chance.choice(_TAGS)}: {text}{padding} "
        yield line.encode(), False


def _lines_with_dumps() -> Iterator[tuple[bytes, bool]]:
    lines = _log_lines()
    chance = random.Random(_SEED)  # noqa: S311 - text that is the same each time, not a secret
    while True:
        yield from itertools.islice(lines, _LINES_BETWEEN_DUMPS)
        yield _panic_with_dump(chance.randbytes(_DUMP_BYTES)), True


def _lines_with_crashes(crash: bytes) -> Iterator[tuple[bytes, bool]]:
    lines = _log_lines()
    while True:
        yield from itertools.islice(lines, _LINES_BETWEEN_CRASHES)
        yield crash, True


def _panic_with_dump(content: bytes) -> bytes:
    # Espressif's container, version ELF 1.3 of chip 0 (esp32): 24 bytes of header, data, SHA-256 of all before it.
    # Source: esp-idf components/espcoredump/include_core_dump/esp_core_dump_types.h.
    body = struct.pack("<6I", 24 + len(content) + 32, 0x0103, 0, 0, 0, 0) + content
    container = body + hashlib.sha256(body).digest()
    pieces = [container[:24], *(container[start : start + 48] for start in range(24, len(container), 48))]
    text = "\n".join(base64.b64encode(piece).decode() for piece in pieces)
    return f"{_PANIC}{_DUMP_START}{text}\n{_DUMP_END}{_BOOT}".replace("\n", "\r\n").encode()
