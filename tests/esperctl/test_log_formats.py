from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from esper_protocol.events import (
    Body,
    CoredumpEnded,
    CoredumpProgress,
    CoredumpStarted,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    Event,
    Gap,
    Line,
    Note,
    UnknownBody,
)
from esper_protocol.messages import UnknownEvent
from esperctl.log_formats import DumpView, JsonLog, RawLog, ShortLog

AT_NS = int(datetime(2026, 1, 31, 8, 30).astimezone().timestamp()) * 1_000_000_000
ENDED = CoredumpEnded("a-1", "captured", "end_marker", 9, 1, 0, 3, 3, "ok", 1, 2, "/x")


def event(body: Body, at_ns: int = AT_NS) -> Event:
    return Event(1, at_ns, "a", 1, 1, body)


def short(
    *bodies: Body,
    colour: bool = False,
    terminal: bool = False,
    dump: DumpView = "show",
    show_decode: bool = True,
    whole_lines: bool = False,
    capturing: bool = False,
    width: int = 80,
) -> str:
    log = ShortLog(
        colour=colour,
        terminal=terminal,
        dump=dump,
        today="2026-01-31",
        show_decode=show_decode,
        whole_lines=whole_lines,
        capturing=capturing,
        width=width,
    )
    return (b"".join(log.render(event(body)) for body in bodies) + log.finish()).decode()


def test_every_line_begins_with_its_time() -> None:
    assert short(Line(b"one\r\ntwo\r\n", 2), Line(b"\r\n", 1)) == "08:30:00.000 one\n08:30:00.000 two\n08:30:00.000 \n"


def test_a_fragment_is_shown_at_once_and_goes_on_in_the_same_line() -> None:
    assert short(Line(b"esp> ", 1, "fragment"), Line(b"help\r\n", 1)) == "08:30:00.000 esp> help\n"


def test_an_open_line_is_ended_at_the_end_and_before_a_marker() -> None:
    assert short(Line(b"esp> ", 1, "fragment")) == "08:30:00.000 esp> \n"
    assert short(Line(b"esp> ", 1, "fragment"), Note("hi", "bob"), Line(b"x\n", 1)) == (
        "08:30:00.000 esp> \n--- 08:30:00.000 note by bob: hi ---\n08:30:00.000 x\n"
    )


def test_lines_without_their_neighbours_are_each_ended() -> None:
    text = short(Line(b"a", 1, "split"), Line(b"b", 1, "fragment"), whole_lines=True)
    assert text == "08:30:00.000 a\n08:30:00.000 b\n"


def test_markers_are_safe_and_dim_on_a_terminal() -> None:
    assert short(Note("\x1b[2J\nevil", "bob"), colour=True) == (
        "\x1b[2m--- 08:30:00.000 note by bob: ␛[2J\\x0aevil ---\x1b[0m\n"
    )


def test_a_progress_bar_can_not_cover_the_time() -> None:
    assert short(Line(b"10 %\r20 %\n", 1), terminal=True) == "08:30:00.000 10 %\r08:30:00.000 20 %\n"


def test_a_new_day_is_said() -> None:
    log = ShortLog(colour=False, terminal=False, dump="show", today="2026-01-31")
    day_ns = 86_400 * 1_000_000_000
    text = log.render(event(Line(b"a\n", 1))) + log.render(event(Line(b"b\n", 1), AT_NS + day_ns))
    assert text == b"08:30:00.000 a\n--- 2026-02-01 ---\n08:30:00.000 b\n"


def test_a_dump_is_folded_into_one_line_that_is_rewritten() -> None:
    text = short(
        CoredumpStarted("a-1", 1),
        Line(b"QUJD\n", 1),
        CoredumpProgress("a-1", 4, 1, 512, 1024, 0.1),
        CoredumpProgress("a-1", 4, 1, 1024, 1024, 0.2),
        Line(b"=== END ===\n", 1),
        ENDED,
        terminal=True,
        dump="fold",
    )
    assert text == (
        "--- 08:30:00.000 core dump a-1 begins; its base64 is not shown (--dump show) ---\n"
        "--- core dump a-1: 512 B of 1.0 KiB, 50 % ---\r\x1b[K"
        "--- core dump a-1: 1.0 KiB of 1.0 KiB, 100 % ---\r\x1b[K"
        "08:30:00.000 === END ===\n"
        "--- 08:30:00.000 core dump a-1 captured (end_marker): 3 B, 1 line, checksum ok ---\n"
    )


def test_the_progress_fits_the_terminal() -> None:
    text = short(CoredumpProgress("a-1", 4, 1, 512, 1024, 0.1), terminal=True, dump="fold", width=20)
    assert text == "--- core dump a-1: \r\x1b[K"


@pytest.mark.parametrize("dump", ["fold", "hide"])
def test_in_a_pipe_a_folded_dump_is_only_left_out(dump: DumpView) -> None:
    text = short(CoredumpStarted("a-1", 1), Line(b"QUJD\n", 1), CoredumpProgress("a-1", 4, 1, 3, 3, 0.1), dump=dump)
    assert text == "--- 08:30:00.000 core dump a-1 begins; its base64 is not shown (--dump show) ---\n"


def test_a_dump_is_shown_where_that_is_asked_for() -> None:
    assert "QUJD" in short(CoredumpStarted("a-1", 1), Line(b"QUJD\n", 1))


def test_a_stream_can_begin_inside_a_dump() -> None:
    assert short(Line(b"QUJD\n", 1), dump="fold", capturing=True) == ""


def test_a_report_is_indented_and_can_be_left_out() -> None:
    done = DecodeFinished("a-1", "native", 0.25, "/r.json", '{"reason": "abort", "frames": [{"pc": 4096}]}')
    assert short(done) == (
        "--- 08:30:00.000 decoded a-1 in 0.2 s (native): /r.json ---\n    abort\n    #0  0x00001000 in ??\n"
    )
    assert short(done, show_decode=False) == ""


def test_a_panic_is_followed_by_what_its_addresses_are() -> None:
    report = """{"reason": "abort() was called at PC 0x42009351", "crashed_task": "main",
        "places": [{"level": 0, "pc": 1107333969, "function": "fail_once", "file": "main.c", "line": 14}],
        "frames": [
            {"level": 0, "pc": 1077413528, "function": "panic_abort", "file": "panic.c", "line": 472, "args": []},
            {"level": 1, "pc": 1107334010, "function": "app_main", "file": "main.c", "line": 20, "how": "scan"}],
        "warnings": ["guessed_frame: frames are guessed"], "unwind_stop": "outermost"}"""
    bodies = (
        DecodeQueued("panic:5", 1),
        DecodeStarted("panic:5", "native", 1),
        DecodeFinished("panic:5", "native", 0.004, "", report, 1),
    )
    assert short(*bodies) == (
        "--- 08:30:00.000 decoding in background ---\n"
        "--- 08:30:00.000 decoded panic:5 in 0.0 s (native) ---\n"
        "--- 0x42009351 is in fail_once at main.c:14\n"
        "--- #0  0x40380698 in panic_abort at panic.c:472\n"
        "--- #1  0x4200937a in app_main at main.c:20  (guessed)\n"
        "--- warning: guessed_frame: frames are guessed\n"
    )
    assert short(*bodies, show_decode=False) == ""


def test_a_panic_without_its_program_says_in_one_line_what_is_wanted() -> None:
    failed = DecodeFailed("panic:5", "native", "no ELF file is known whose SHA-256 begins with ab81a733d", 1)
    assert short(failed) == (
        "--- 08:30:00.000 decoding panic:5 failed (native): "
        "no ELF file is known whose SHA-256 begins with ab81a733d ---\n"
    )
    assert short(failed, show_decode=False) == ""
    assert "no frames: nothing" in short(
        DecodeFinished("panic:5", "native", 0.0, "", '{"frames": [], "unwind_stop": "nothing"}')
    )


def test_events_of_a_newer_daemon_are_skipped() -> None:
    unknown = UnknownEvent(1, AT_NS, "a", 1, 1, UnknownBody("weather"))
    assert ShortLog(colour=False, terminal=False, dump="show", today="2026-01-31").render(unknown) == b""
    assert RawLog(terminal=False, colour=False).render(unknown) == b""


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=6))
def test_raw_is_the_very_bytes(blocks: list[bytes]) -> None:
    log = RawLog(terminal=False, colour=False)
    rendered = b"".join(log.render(event(Line(block, 1, "split"))) for block in blocks)
    assert rendered + log.finish() == b"".join(blocks)


def test_raw_is_safe_on_a_terminal() -> None:
    log = RawLog(terminal=True, colour=False)
    assert log.render(event(Line(b"\x1b[6n\n", 1))) + log.finish() == "␛[6n\n".encode()


def test_json_has_lines_and_gaps_only() -> None:
    log = JsonLog()
    assert log.render(event(Note("a", "b"))) == b""
    assert log.render(event(Gap("overrun", "x"))).startswith(b'{"kind":"gap"')
    assert log.finish() == b""


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=12), st.booleans()), max_size=8))
def test_without_colour_no_escape_reaches_the_output(blocks: list[tuple[bytes, bool]]) -> None:
    bodies: list[Body] = [
        Line(data, 1, "fragment") if is_line else Note(data.decode("latin-1"), "bob") for data, is_line in blocks
    ]
    text = short(*bodies)
    assert "\x1b" not in text
    assert not text or text.endswith("\n")


def test_times_are_local() -> None:
    noon = int(datetime(2026, 1, 31, 12, tzinfo=UTC).astimezone().timestamp()) * 1_000_000_000
    log = ShortLog(colour=False, terminal=False, dump="show", today="2026-01-31")
    expected = datetime(2026, 1, 31, 12, tzinfo=UTC).astimezone()
    assert log.render(event(Line(b"x\n", 1), noon)).decode().endswith(f"{expected:%H:%M:%S}.000 x\n")
