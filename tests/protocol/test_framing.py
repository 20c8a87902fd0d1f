"""Frames: any chunking, every truncation, every damage."""

import itertools
import zlib

import pytest
from hypothesis import given, strategies as st

from esper_protocol.errors import LocalProtocolError, RemoteProtocolError
from esper_protocol.framing import HEADER, HEADER_BYTES, MAX_PAYLOAD_BYTES, FrameReader, encode_frame, scan_frames

payloads_strategy = st.lists(st.binary(min_size=1, max_size=60), max_size=8)


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def received(data: bytes, cuts: list[int]) -> list[bytes]:
    reader = FrameReader()
    return [payload for chunk in chunks(data, cuts) for payload in reader.receive_data(chunk)]


def test_a_frame_is_length_and_crc_big_endian_then_the_payload() -> None:
    assert encode_frame(b"123456789") == bytes.fromhex("00000009 cbf43926") + b"123456789"


def test_a_payload_of_exactly_the_limit_passes() -> None:
    payload = bytes(MAX_PAYLOAD_BYTES)
    assert FrameReader().receive_data(encode_frame(payload)) == [payload]


def test_a_payload_over_the_limit_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="1048577 bytes is over the limit of 1048576"):
        encode_frame(bytes(MAX_PAYLOAD_BYTES + 1))


def test_an_empty_payload_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="empty"):
        encode_frame(b"")


def test_an_oversized_frame_is_refused_by_its_header_alone() -> None:
    with pytest.raises(RemoteProtocolError, match="1048577 bytes was announced"):
        FrameReader().receive_data(HEADER.pack(MAX_PAYLOAD_BYTES + 1, 0))


def test_a_smaller_limit_holds() -> None:
    with pytest.raises(RemoteProtocolError, match="the limit is 10 bytes"):
        FrameReader(max_payload_bytes=10).receive_data(encode_frame(bytes(11)))


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="empty"):
        FrameReader().receive_data(bytes(HEADER_BYTES))


def test_a_wrong_checksum_is_refused_only_when_the_frame_is_whole() -> None:
    frame = HEADER.pack(3, zlib.crc32(b"abc") ^ 1) + b"abc"
    reader = FrameReader()
    assert reader.receive_data(frame[:-1]) == []
    with pytest.raises(RemoteProtocolError, match="checksum"):
        reader.receive_data(frame[-1:])


@given(payloads_strategy, st.lists(st.integers(min_value=0)))
def test_any_chunking_of_the_same_bytes_gives_the_same_payloads(payloads: list[bytes], cuts: list[int]) -> None:
    assert received(b"".join(map(encode_frame, payloads)), cuts) == payloads


@given(payloads_strategy, st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_one_damaged_byte_is_never_taken_for_a_payload(payloads: list[bytes], place: int, change: int) -> None:
    data = bytearray(b"".join(map(encode_frame, [b"first", *payloads])))
    data[place % len(data)] ^= change
    found = [payload for _, _, payload in scan_frames(bytes(data))]
    assert found != [b"first", *payloads]
    assert found == [b"first", *payloads][: len(found)]


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_protocol_error(data: bytes) -> None:
    try:
        received = FrameReader().receive_data(data)
    except RemoteProtocolError:
        return
    assert [payload for _, _, payload in scan_frames(data)] == received


def test_a_scan_gives_the_whole_frames_before_every_truncation() -> None:
    payloads = [b"one", b"two" * 10, b"x", b"four"]
    frames = [encode_frame(payload) for payload in payloads]
    segment = b"".join(frames)
    ends = [sum(map(len, frames[: index + 1])) for index in range(len(frames))]
    for size in range(len(segment) + 1):
        found = list(scan_frames(segment[:size]))
        whole = [end for end in ends if end <= size]
        assert [end for _, end, _ in found] == whole
        assert [payload for _, _, payload in found] == payloads[: len(whole)]


def test_a_scan_begins_where_it_is_told_and_takes_memoryviews() -> None:
    first, second = encode_frame(b"one"), encode_frame(b"two")
    assert list(scan_frames(memoryview(first + second), len(first))) == [
        (len(first), len(first) + len(second), b"two"),
    ]


@pytest.mark.parametrize(
    "tail",
    [bytes(4096), HEADER.pack(MAX_PAYLOAD_BYTES + 1, 0) + bytes(64), HEADER.pack(3, 0) + b"abc", b"\xff" * 64],
    ids=["zeros after a power cut", "a length over the limit", "a wrong checksum", "ones of erased flash"],
)
def test_a_scan_stops_before_what_is_not_a_frame(tail: bytes) -> None:
    whole = encode_frame(b"whole")
    assert list(scan_frames(whole + tail)) == [(0, len(whole), b"whole")]
