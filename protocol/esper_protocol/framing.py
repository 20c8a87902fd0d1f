"""Frames: how messages are delimited on the socket and in journal segments (SPEC.md, "Framing").

A frame is an 8-byte header, two big-endian unsigned 32-bit integers (payload length in bytes, CRC-32 of the
payload as in zlib), followed by the payload: one MessagePack value. The checksum is there for the journal,
where a power cut can leave a torn frame; the socket carries the very same bytes.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from esper_protocol.errors import LocalProtocolError, RemoteProtocolError

HEADER: Final = struct.Struct(">II")
HEADER_BYTES: Final = HEADER.size

# One mebibyte: a thousand times an ordinary message, and small enough that 256 clients that each announce the
# largest message make the daemon hold no more than a small part of a machine's memory.
MAX_PAYLOAD_BYTES: Final = 1024 * 1024


def encode_frame(payload: bytes) -> bytes:
    """Puts the header before *payload*.

    Raises:
        LocalProtocolError: the payload is empty or larger than MAX_PAYLOAD_BYTES.
    """
    if not payload:
        raise LocalProtocolError("an empty message can't be framed")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise LocalProtocolError(f"a message of {len(payload)} bytes is over the limit of {MAX_PAYLOAD_BYTES} bytes")
    return HEADER.pack(len(payload), zlib.crc32(payload)) + payload


class FrameReader:
    """Cuts a byte stream into payloads, whatever the chunking; holds at most one incomplete frame."""

    def __init__(self, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._buffer = bytearray()

    def receive_data(self, data: bytes) -> list[bytes]:
        """Returns the payloads that *data* completes, in order.

        Raises:
            RemoteProtocolError: a frame announces nothing or more than the limit, or its checksum is wrong.
        """
        self._buffer += data
        payloads: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= HEADER_BYTES:
            length, checksum = HEADER.unpack_from(self._buffer, start)
            if length == 0:
                raise RemoteProtocolError("an empty message was announced")
            if length > self._max_payload_bytes:
                raise RemoteProtocolError(
                    f"a message of {length} bytes was announced; the limit is {self._max_payload_bytes} bytes"
                )
            end = start + HEADER_BYTES + length
            if len(self._buffer) < end:
                break
            payload = bytes(self._buffer[start + HEADER_BYTES : end])
            if zlib.crc32(payload) != checksum:
                raise RemoteProtocolError("a message arrived with a wrong checksum")
            payloads.append(payload)
            start = end
        del self._buffer[:start]
        return payloads


def scan_frames(data: bytes | memoryview, start: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """Yields ``(start, end, payload)`` of each whole and undamaged frame, and stops at the first that is not.

    The last ``end`` (or *start*, when nothing is yielded) is how far *data* can be trusted: what follows is
    the beginning of a frame that was being written, or damage.
    """
    view = memoryview(data)
    while len(view) - start >= HEADER_BYTES:
        length, checksum = HEADER.unpack_from(view, start)
        end = start + HEADER_BYTES + length
        # After a power cut a file may end in zeros, and eight of them are a header with a right checksum.
        if not 0 < length <= MAX_PAYLOAD_BYTES or end > len(view):
            return
        payload = bytes(view[start + HEADER_BYTES : end])
        if zlib.crc32(payload) != checksum:
            return
        yield start, end, payload
        start = end
