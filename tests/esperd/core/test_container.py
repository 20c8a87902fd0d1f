from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from esperd.core.container import CHIP_NAMES, ContainerVerifier, parse_header

if TYPE_CHECKING:
    from tests.esperd.core.conftest import DumpMaker

# version, header bytes, checksum, its bytes, name of the format
VERSIONS = [
    (0x0001, 16, "none", 0, "bin 0.1"),
    (0x0002, 20, "crc32", 4, "bin 0.2"),
    (0x0003, 24, "crc32", 4, "bin 0.3"),
    (0x0100, 20, "crc32", 4, "elf 1.0"),
    (0x0101, 20, "sha256", 32, "elf 1.1"),
    (0x0102, 24, "crc32", 4, "elf 1.2"),
    (0x0103, 24, "sha256", 32, "elf 1.3"),
    (0x0104, 12, "sha256", 32, "elf 1.4"),
]
PAYLOAD = bytes(range(256)) * 2


def verify(container: bytes, header_bytes: int, step: int = 48) -> ContainerVerifier:
    verifier = ContainerVerifier()
    verifier.receive(container[:header_bytes])
    for at in range(header_bytes, len(container), step):
        verifier.receive(container[at : at + step])
    return verifier


@pytest.mark.parametrize(("version", "header_bytes", "checksum", "checksum_bytes", "name"), VERSIONS)
def test_every_version_announces_its_length_and_is_checked(
    version: int, header_bytes: int, checksum: str, checksum_bytes: int, name: str, dumps: DumpMaker
) -> None:
    container = dumps.container(version, header_bytes, checksum, PAYLOAD, chip_id=9)
    verifier = verify(container, header_bytes)
    assert verifier.header is not None
    assert verifier.header.total_bytes == len(container)
    assert verifier.header.chip == "esp32s3"
    assert verifier.header.format == name
    assert verifier.header.checksum_kind == checksum
    assert verifier.header.checksum_bytes == checksum_bytes
    assert verifier.is_complete
    assert verifier.verdict() == ("absent" if checksum == "none" else "ok")


@pytest.mark.parametrize(("version", "header_bytes", "checksum", "checksum_bytes", "name"), VERSIONS[1:])
def test_a_changed_byte_makes_the_checksum_bad(
    version: int, header_bytes: int, checksum: str, checksum_bytes: int, name: str, dumps: DumpMaker
) -> None:
    container = bytearray(dumps.container(version, header_bytes, checksum, PAYLOAD))
    container[header_bytes + 100] ^= 1
    assert verify(bytes(container), header_bytes).verdict() == "bad"


@pytest.mark.parametrize("step", [1, 3, 48, 1000])
def test_the_checksum_does_not_depend_on_the_pieces(step: int, dumps: DumpMaker) -> None:
    assert verify(dumps.container(0x0103, 24, "sha256", PAYLOAD), 24, step).verdict() == "ok"


def test_the_header_without_a_version_is_told_by_its_length() -> None:
    header = parse_header(struct.pack("<III", 6804, 9, 356))
    assert header is not None
    assert (header.total_bytes, header.chip, header.format, header.checksum_kind) == (6804, "esp32", "bin", "none")


def test_a_version_of_tomorrow_still_announces_its_length() -> None:
    header = parse_header(struct.pack("<II", 5000, 5 << 16 | 0x0207).ljust(28, b"\0"))
    assert header is not None
    assert (header.total_bytes, header.chip, header.format) == (5000, "esp32c3", "unknown")


def test_a_chip_of_tomorrow_has_no_name() -> None:
    header = parse_header(struct.pack("<II", 5000, 999 << 16 | 0x0102).ljust(24, b"\0"))
    assert header is not None
    assert header.chip is None
    assert 999 not in CHIP_NAMES


@pytest.mark.parametrize(
    "first_line",
    [
        b"",
        b"\0" * 11,
        struct.pack("<II", 23, 0x0102).ljust(24, b"\0"),
        struct.pack("<II", 64 * 1024 * 1024 + 1, 0x0102).ljust(24, b"\0"),
        b"f0VMRgEBAQAAAAAAAAAAAA",
    ],
    ids=["empty", "short", "length less than the header", "length of no chip's memory", "text"],
)
def test_what_cannot_be_a_header_is_none(first_line: bytes) -> None:
    assert parse_header(first_line) is None


def test_without_a_header_nothing_is_complete_or_checked() -> None:
    verifier = ContainerVerifier()
    assert verifier.verdict() == "absent"
    verifier.receive(b"too short")
    verifier.receive(PAYLOAD)
    assert verifier.header is None
    assert verifier.received_bytes == 9 + len(PAYLOAD)
    assert not verifier.is_complete
    assert verifier.verdict() == "absent"


def test_an_unfinished_container_has_no_verdict(dumps: DumpMaker) -> None:
    verifier = verify(dumps.container(0x0102, 24, "crc32", PAYLOAD)[:-1], 24)
    assert not verifier.is_complete
    assert verifier.verdict() == "absent"


def test_a_header_that_announces_too_little_makes_a_bad_checksum(dumps: DumpMaker) -> None:
    container = dumps.container(0x0102, 24, "crc32", PAYLOAD)
    verifier = verify(struct.pack("<I", 24) + container[4:], 24)
    assert verifier.is_complete
    assert verifier.received_bytes == len(container)
    assert verifier.verdict() == "bad"


def test_bytes_after_the_announced_length_do_not_change_the_verdict(dumps: DumpMaker) -> None:
    verifier = verify(dumps.container(0x0102, 24, "crc32", PAYLOAD) + b"more", 24)
    assert verifier.verdict() == "ok"
