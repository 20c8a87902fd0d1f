"""From whatever a core dump comes as to its container, repaired as far as that is honest.

Accepted: text with or without the START and END markers and with log lines around and between, the container itself
(also with the 0xFF of a flash partition behind it), and a bare ELF core. Each base64 line is decoded by itself, so a
damaged line costs its own bytes only: they become zeros when their number is known, which keeps what follows in place.
"""

import binascii
import re
import struct
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from esper_protocol.events import ChecksumVerdict
from esperd.core.container import CHIP_NAMES, VERSIONS, ContainerVerifier
from esperd.decode.errors import DecodeError
from esperd.decode.text_lines import board_lines

_START: Final = re.compile(rb"={3,} CORE DUMP START ={3,}")
_END: Final = re.compile(rb"={3,} CORE DUMP END ={3,}")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_ELF_MAGIC: Final = b"\x7fELF"
_UNVERSIONED_HEADER_BYTES: Final = 12
# The longest line holds 48 bytes; see the capture's source.
_LINE_BYTES: Final = 48
# Larger than any chip's memory; a file of this size is something else.
MAX_DUMP_BYTES: Final = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Container:
    """A dump's bytes, header included, and what is doubtful about them.

    ``version`` is the low half of the version word, null for the header without one and for a bare ELF core;
    ``payload`` is what lies between header and checksum.
    """

    payload: bytes
    version: int | None
    chip: str | None
    chip_revision: int | None
    task_count: int
    tcb_bytes: int
    segment_count: int
    checksum: ChecksumVerdict
    warnings: list[str] = field(default_factory=list[str])

    @property
    def is_elf(self) -> bool:
        """Whether the payload is an ELF core, not the binary format."""
        return self.payload[:4] == _ELF_MAGIC

    @property
    def format(self) -> str:
        """As reports name it: ``elf 1.2``, ``bin 0.3``; ``bin`` and ``elf`` without a version."""
        kind = "elf" if self.is_elf or (self.version or 0) >= 0x100 else "bin"
        return kind if self.version is None else f"{kind} {self.version >> 8}.{self.version & 0xFF}"


@dataclass(frozen=True, slots=True)
class PrintedDump:
    """A dump in a text: the line of its START marker, counted from 1, and the text from there to the next one."""

    line: int
    text: bytes


def printed_dumps(data: bytes) -> list[PrintedDump]:
    """The dumps that were printed with markers, in order; none in what is no text."""
    if data[:4] == _ELF_MAGIC or _is_container(data):
        return []
    starts = [data.rfind(b"\n", 0, marker.start()) + 1 for marker in _START.finditer(data)]
    found: list[PrintedDump] = []
    line, counted = 1, 0
    for start, end in pairwise([*starts, len(data)]):
        line, counted = line + data.count(b"\n", counted, start), start
        found.append(PrintedDump(line, data[start:end]))
    return found


def read_dump(data: bytes) -> Container:
    """Finds the dump in *data*, the last one where there are several.

    Raises:
        DecodeError: ``no_dump``: nothing that could be one; ``too_large``.
    """
    if len(data) > MAX_DUMP_BYTES:
        raise DecodeError("too_large", f"{len(data)} bytes are more than any core dump has")
    if data[:4] == _ELF_MAGIC:
        return Container(data, None, None, None, 0, 0, 0, "absent")
    if _is_container(data):
        return _read_container(data, [])
    warnings: list[str] = []
    image = _assemble(_dump_lines(data), warnings)
    if image[:4] == _ELF_MAGIC:
        return Container(image, None, None, None, 0, 0, 0, "absent", warnings)
    return _read_container(image, warnings)


def _is_container(data: bytes) -> bool:
    if len(data) < 16:
        return False
    total, version = struct.unpack_from("<II", data)
    return version & 0xFFFF in VERSIONS and version >> 16 in CHIP_NAMES and 0 < total <= MAX_DUMP_BYTES


def _dump_lines(data: bytes) -> list[bytes]:
    """The lines of the last dump in the text; of the whole text where there are no markers."""
    lines = board_lines(data)
    starts = [index for index, line in enumerate(lines) if _START.search(line)]
    if starts:
        lines = lines[starts[-1] + 1 :]
    end = next((index for index, line in enumerate(lines) if _END.search(line)), len(lines))
    return [line for line in lines[:end] if line]


def _assemble(lines: list[bytes], warnings: list[str]) -> bytes:
    """Decodes line by line; puts zeros for damaged lines, leaves out lines that are no part of the dump."""
    pieces: list[bytes | None] = []
    sizes: list[int] = []
    good = 0
    for line in lines:
        decoded = _decode_line(line)
        if decoded is not None:
            pieces.append(decoded)
            sizes.append(len(decoded))
            good += len(decoded)
        elif pieces and _is_damaged(line):
            pieces.append(None)
            sizes.append(min((len(line) * 3 + 2) // 4, _LINE_BYTES))
    if not good:
        raise DecodeError("no_dump", "there is no core dump in it: no line is base64")
    announced = struct.unpack_from("<I", pieces[0])[0] if pieces[0] and len(pieces[0]) >= 12 else good
    holes = [index for index, piece in enumerate(pieces) if piece is None]
    missing = announced - good
    if holes and missing > 0:
        if len(holes) == 1 and missing <= _LINE_BYTES:
            sizes[holes[0]] = missing
        warnings.append(f"holes: {len(holes)} damaged lines were replaced by zeros")
    elif holes:
        # Everything announced is there without them: they are text of somebody else.
        sizes = [0 if piece is None else size for piece, size in zip(pieces, sizes, strict=True)]
    return b"".join(bytes(size) if piece is None else piece for piece, size in zip(pieces, sizes, strict=True))


def _decode_line(line: bytes) -> bytes | None:
    if not _BASE64.fullmatch(line):
        return None
    try:
        return binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        return None


def _is_damaged(line: bytes) -> bool:
    """Whether a line that is not base64 may be a damaged one that was: no spaces, and little else than its alphabet."""
    if b" " in line or len(line) > 2 * 64:
        return False
    strange = len(line) - sum(len(run) for run in re.findall(rb"[A-Za-z0-9+/=]+", line))
    return strange * 8 <= len(line)


def _read_container(data: bytes, warnings: list[str]) -> Container:
    if len(data) < _UNVERSIONED_HEADER_BYTES:
        raise DecodeError("no_dump", f"only {len(data)} bytes of the core dump are there, less than its header")
    total, word = struct.unpack_from("<II", data)
    version: int | None = word & 0xFFFF
    chip: str | None = CHIP_NAMES.get(word >> 16)
    if version in VERSIONS and (word >> 16) in CHIP_NAMES:
        header_bytes, checksum_kind = VERSIONS[version]
    elif 0 < word < 256 and 0 < struct.unpack_from("<I", data, 8)[0] < 4096:
        # ESP-IDF up to 3.2: length, number of tasks, size of a task control block.
        version, chip, header_bytes, checksum_kind = None, "esp32", _UNVERSIONED_HEADER_BYTES, "none"
    else:
        raise DecodeError("no_dump", f"it is no core dump: version 0x{word:08x} of the header is not known")
    if len(data) < header_bytes:
        raise DecodeError("no_dump", f"only {len(data)} bytes of the core dump are there, less than its header")
    words = struct.unpack_from(f"<{header_bytes // 4}I", data)
    checksum_bytes = {"none": 0, "crc32": 4, "sha256": 32}[checksum_kind]
    verdict = _verify(data, header_bytes)
    if len(data) < total:
        warnings.append(f"truncated: {len(data)} of {total} bytes are there")
    elif verdict == "bad":
        warnings.append("checksum: the dump's checksum does not fit its content")
    counts = words[1:3] if version is None else words[2:4]
    has_counts = version is None or version != 0x0104
    return Container(
        data[header_bytes : min(len(data), max(total - checksum_bytes, header_bytes))],
        version,
        chip,
        words[5] if version in (0x0003, 0x0102, 0x0103) else words[2] if version == 0x0104 else None,
        counts[0] if has_counts else 0,
        counts[1] if has_counts else 0,
        words[4] if version is not None and len(words) > 4 else 0,
        verdict,
        warnings,
    )


def _verify(data: bytes, header_bytes: int) -> ChecksumVerdict:
    verifier = ContainerVerifier()
    # The first piece is the header alone, as on the wire; that tells the header without a version.
    verifier.receive(data[:header_bytes])
    verifier.receive(data[header_bytes:])
    return verifier.verdict()
