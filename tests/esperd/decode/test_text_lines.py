import pytest

from esperd.decode.dump import read_dump
from esperd.decode.panic import read_panics
from esperd.decode.text_lines import board_lines
from esperd.simulation.scenarios import RECORDINGS


@pytest.mark.parametrize(
    "time", [b"10:07:51.921 ", b"2026-11-21 10:07:51 ", b"2026-11-21T10:07:51,5 ", b"2026-11-21T10:07:51.5+01:00 "]
)
def test_the_time_before_a_line_is_not_the_boards(time: bytes) -> None:
    assert board_lines(b"\x1b[31m" + time + b"Backtrace: 0x1\x1b[0m\r\n") == [b"Backtrace: 0x1"]


def test_what_only_begins_like_a_time_stays() -> None:
    assert board_lines(b"10:07 up\n80021db0: 0x00000000") == [b"10:07 up", b"80021db0: 0x00000000"]


def test_a_log_that_was_saved_with_times_holds_the_same_dump_and_the_same_panic() -> None:
    text = (RECORDINGS / "crash.raw").read_bytes()
    with_times = b"".join(b"10:07:51.921 " + line for line in text.splitlines(keepends=True))
    assert read_dump(with_times) == read_dump(text)
    assert [panic.panic for panic in read_panics(with_times)] == [panic.panic for panic in read_panics(text)]
    assert [panic.stack for panic in read_panics(with_times)] == [panic.stack for panic in read_panics(text)]
