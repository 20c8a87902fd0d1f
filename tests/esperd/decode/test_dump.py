import base64
import binascii
import contextlib
import hashlib
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from esperd.decode.dump import read_dump
from esperd.decode.errors import DecodeError

HEADER_WORDS = {0x0001: 4, 0x0002: 5, 0x0003: 6, 0x0100: 5, 0x0101: 5, 0x0102: 6, 0x0103: 6, 0x0104: 3}
SHA_VERSIONS = (0x0101, 0x0103, 0x0104)


def container(version: int, payload: bytes, chip_id: int = 5) -> bytes:
    header_bytes = 4 * HEADER_WORDS[version]
    checksum_bytes = 0 if version == 1 else 32 if version in SHA_VERSIONS else 4
    total = header_bytes + len(payload) + checksum_bytes
    words = [total, chip_id << 16 | version, *(7, 340, 3, 101)][: HEADER_WORDS[version]]
    if version == 0x0104:
        words[2] = 101
    body = struct.pack(f"<{len(words)}I", *words) + payload
    if version in SHA_VERSIONS:
        return body + hashlib.sha256(body).digest()
    return body if version == 1 else body + struct.pack("<I", binascii.crc32(body))


def as_text(data: bytes, version: int) -> list[bytes]:
    header_bytes = 4 * HEADER_WORDS[version]
    pieces = [data[:header_bytes], *(data[at : at + 48] for at in range(header_bytes, len(data), 48))]
    return [base64.b64encode(piece) for piece in pieces]


@pytest.mark.parametrize("version", HEADER_WORDS)
def test_every_version_is_read_from_text_and_from_bytes(version: int) -> None:
    payload = bytes(range(256)) * 3
    data = container(version, payload)
    for form in (data, b"\r\n".join(as_text(data, version)), data + b"\xff" * 100):
        found = read_dump(form)
        assert found.payload == payload
        assert found.version == version
        assert found.chip == "esp32c3"
        assert found.checksum == ("absent" if version == 1 else "ok")
        assert found.warnings == []
    revisions = {0x0003: 101, 0x0102: 101, 0x0103: 101, 0x0104: 101}
    assert read_dump(data).chip_revision == revisions.get(version)


def test_the_header_without_a_version_is_known_by_its_length() -> None:
    payload = bytes(100)
    header = struct.pack("<3I", 12 + len(payload), 9, 356)
    found = read_dump(base64.b64encode(header) + b"\n" + base64.b64encode(payload[:48]))
    assert (found.version, found.chip, found.task_count, found.tcb_bytes) == (None, "esp32", 9, 356)
    assert found.format == "bin"


def test_markers_colours_and_the_text_around_a_dump_are_left_out() -> None:
    data = container(0x0102, b"x" * 200)
    lines = [b"I (1) main: hello", b"================= CORE DUMP START =================\r", *as_text(data, 0x0102)]
    lines += [b"\x1b[0;32m================= CORE DUMP END =================\x1b[0m", b"Coredump checksum='00'", b"AAAA"]
    assert read_dump(b"\n".join(lines)).payload == b"x" * 200


def test_the_last_of_several_dumps_counts() -> None:
    one, two = (as_text(container(0x0102, letter * 100), 0x0102) for letter in (b"1", b"2"))
    start, end = (
        b"================= CORE DUMP START =================",
        b"================= CORE DUMP END =================",
    )
    assert read_dump(b"\n".join([start, *one, end, start, *two, end])).payload == b"2" * 100


def test_a_log_line_between_the_lines_of_a_whole_dump_costs_nothing() -> None:
    lines = as_text(container(0x0102, b"y" * 300), 0x0102)
    lines[3:3] = [b"W (99) wifi: something else", b"E(1)~!x"]
    found = read_dump(b"\n".join(lines))
    assert found.payload == b"y" * 300
    assert found.checksum == "ok"


def test_a_damaged_line_becomes_zeros_and_what_follows_stays_in_place() -> None:
    data = container(0x0102, bytes(range(1, 241)))
    lines = as_text(data, 0x0102)
    lines[2] = lines[2][:30] + b"~" + lines[2][31:]
    found = read_dump(b"\n".join(lines))
    assert found.payload == bytes(range(1, 49)) + bytes(48) + bytes(range(97, 241))
    assert found.checksum == "bad"
    assert [warning.split(":")[0] for warning in found.warnings] == ["holes", "checksum"]


def test_a_cut_dump_says_so_and_gives_what_is_there() -> None:
    data = container(0x0102, b"z" * 500)
    found = read_dump(data[:300])
    assert found.payload == b"z" * (300 - 24)
    assert [warning.split(":")[0] for warning in found.warnings] == ["truncated"]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"hello world", b"AAAA", b"\x00" * 64, b"AAAAAAAAAAAAAAAAAAAAAAAA"])
def test_what_is_no_dump_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        read_dump(data)
    assert caught.value.code == "no_dump"
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda data: container(0x0102, data)[:-7] + data))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        read_dump(data)


def test_the_corpus_dumps_are_whole() -> None:
    folder = os.environ.get("ESPER_CORPUS")
    if folder is None:
        pytest.skip("ESPER_CORPUS is not set: it names the folder with recorded core dumps")
    paths = sorted((Path(folder) / "dumps").glob("*.b64"))
    assert paths
    for path in paths:
        found = read_dump(path.read_bytes())
        assert found.checksum in ("ok", "absent"), path.name
        assert not found.warnings, path.name
