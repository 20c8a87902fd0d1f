"""Core dumps as a board prints them, made up: a container that announces its length, with a right checksum."""

import binascii
import random
import struct

START_LINE = b"================= CORE DUMP START =================\r\n"
END_LINE = b"================= CORE DUMP END =================\r\n"

# ELF 1.2 of an ESP32: a header of 24 bytes, and a CRC32 at the end. Source: esp_core_dump_types.h.
_VERSION = 0x0102
_HEADER = struct.Struct("<6I")
_CHECKSUM_BYTES = 4
# Espressif encodes pieces of this size, each on a line of its own. Source: core_dump_uart.c.
_PIECE_BYTES = 48


def container(payload_bytes: int, seed: int) -> bytes:
    """The decoded dump: header, *payload_bytes* of noise that *seed* decides, checksum."""
    total_bytes = _HEADER.size + payload_bytes + _CHECKSUM_BYTES
    body = _HEADER.pack(total_bytes, _VERSION, 0, 0, 0, 0) + random.Random(seed).randbytes(payload_bytes)  # noqa: S311 - noise
    return body + struct.pack("<I", binascii.crc32(body))


def base64_lines(decoded: bytes) -> list[bytes]:
    """The lines between the markers; the first is the header alone."""
    pieces = [decoded[: _HEADER.size]]
    pieces += [decoded[at : at + _PIECE_BYTES] for at in range(_HEADER.size, len(decoded), _PIECE_BYTES)]
    return [binascii.b2a_base64(piece, newline=False) + b"\r\n" for piece in pieces]


def printed_dump(decoded: bytes) -> bytes:
    """The dump with its markers."""
    return b"".join((START_LINE, *base64_lines(decoded), END_LINE))
