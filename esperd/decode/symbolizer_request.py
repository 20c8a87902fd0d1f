"""What the symbolizer is asked, and what it answers: MessagePack, each with its length before it.

One request at a time: the next one is sent when the answer to the one before was read.
"""

import struct
from typing import Final

import msgspec

from esper_protocol.events import Panic
from esperd.decode.request import DecodeProblem, KnownElf

HEADER: Final = struct.Struct(">I")
# The ELF files of a full store, which are some thousands at most, and the lines of one panic.
MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
# A report fits into an event; the rest is what an error may say.
MAX_ANSWER_BYTES: Final = 256 * 1024


class PanicRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A panic whose functions are wanted.

    ``number`` comes back in the answer. ``stack`` are its lines of stack memory, ``app_sha256`` is what the boot log
    told, ``elfs`` are the programs that it may be of, and ``report_bytes`` is what the report may have.
    """

    number: int
    panic: Panic
    stack: list[bytes]
    app_sha256: str | None
    elfs: list[KnownElf]
    report_bytes: int


class PanicAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Either ``report``, which is JSON, made with the file ``elf_path``, or ``error``."""

    number: int
    report: str | None = None
    elf_path: str | None = None
    is_certain: bool = False
    error: DecodeProblem | None = None


def encode_frame(message: PanicRequest | PanicAnswer) -> bytes:
    """A message with its length."""
    data = msgspec.msgpack.encode(message)
    return HEADER.pack(len(data)) + data
