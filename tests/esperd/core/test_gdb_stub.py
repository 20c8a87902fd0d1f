from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from esperd.core.gdb_stub import ANCHOR, find_stop_reply


def packet(body: bytes) -> bytes:
    return b"$%s#%02x" % (body, sum(body) & 0xFF)


@pytest.mark.parametrize(
    ("line", "expected", "end"),
    [
        (b"$T0b#e6", "$T0b#e6", 7),
        (b"\r\n+$T0b#E6", "$T0b#E6", 10),
        (b"text $T05#b9 and more", "$T05#b9", 12),
        (packet(b"T05thread:01;"), packet(b"T05thread:01;").decode(), 17),
    ],
)
def test_a_stop_reply_with_the_right_checksum_is_found(line: bytes, expected: str, end: int) -> None:
    assert find_stop_reply(line) == (expected, end)


@pytest.mark.parametrize(
    "line", [b"", b"$T0b#e7", b"$T0b#e", b"$T0#e6", b"$S05#b8", b"T0b#e6", b"$T0b$#e6", b"$Txx#00"]
)
def test_what_is_not_one_is_not_found(line: bytes) -> None:
    assert find_stop_reply(line) is None


def test_a_wrong_checksum_does_not_hide_the_packet_behind_it() -> None:
    assert find_stop_reply(b"$T0b#00$T0b#e6") == ("$T0b#e6", 14)


def test_the_search_goes_on_behind_the_last_one() -> None:
    assert find_stop_reply(b"$T0b#e6$T05#b9", 7) == ("$T05#b9", 14)
    assert find_stop_reply(b"$T0b#e6", 7) is None


@given(st.binary(max_size=40).filter(lambda body: not set(body) & set(b"$#")))
def test_any_packet_holds_the_anchor_and_is_found(body: bytes) -> None:
    line = packet(b"T0b" + body)
    found = find_stop_reply(b"noise " + line)
    assert ANCHOR in line
    assert found is not None
    assert found[1] == len(line) + 6


@given(st.lists(st.sampled_from([b"$T0b", b"#e6", b"$", b"#", b"T", b"\xff", b"00"]), max_size=30).map(b"".join))
def test_no_bytes_raise(line: bytes) -> None:
    start = 0
    while found := find_stop_reply(line, start):
        assert found[1] > start
        start = found[1]
