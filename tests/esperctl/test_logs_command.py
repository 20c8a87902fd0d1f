from __future__ import annotations

import base64
import os
import signal
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from esper_protocol.events import CoredumpStarted, DecodeFinished, Gap, Line, Note, SessionOpened
from esper_protocol.messages import Subscribe

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.esperctl.conftest import Esperctl, FakeDaemon, Refusal

    Follower = Callable[..., subprocess.Popen[bytes]]

RAW = b"\x1b[31mred\xff\r\nwifi up\r\nthree\n\nesp> help\r\n"


@pytest.fixture
def journal(daemon: FakeDaemon) -> FakeDaemon:
    daemon.add(
        SessionOpened("/dev/ttyUSB0", 115200),
        Line(b"\x1b[31mred\xff\r\nwifi up\r\nthree\n", 3),
        Gap("overrun", "UART FIFO", 12),
        Line(b"\nesp> ", 2, "fragment"),
        Note("look", "bob"),
        Line(b"help\r\n", 1),
    )
    return daemon


async def test_short_is_for_people(journal: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("logs")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "--- 2026-01-31 ---",
        "--- 08:30:00.000 /dev/ttyUSB0 opened at 115200 baud ---",
        "08:30:01.000 red\\xff",
        "08:30:01.000 wifi up",
        "08:30:01.000 three",
        "--- 08:30:02.000 gap of 12 bytes (overrun): UART FIFO ---",
        "08:30:03.000 ",
        "08:30:03.000 esp> ",
        "--- 08:30:04.000 note by bob: look ---",
        "08:30:05.000 help",
    ]


async def test_colour_passes_only_where_it_is_asked_for(journal: FakeDaemon, esperctl: Esperctl) -> None:
    assert "\x1b" not in (await esperctl("logs")).out
    assert "\x1b[31mred\\xff\x1b[0m\n" in (await esperctl("logs", "--color", "always")).out
    assert "\x1b" not in (await esperctl("logs", "--color", "never")).out


async def test_raw_is_byte_for_byte_and_tells_gaps_on_stderr(journal: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("logs", "-o", "raw")
    assert done.raw == RAW
    assert done.err == "--- gap of 12 bytes (overrun): UART FIFO ---\n"


async def test_json_has_an_object_for_each_line_and_gap(journal: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("logs", "--json")
    found = [msgspec.json.decode(line) for line in done.raw.splitlines()]
    assert [(line["kind"], line["seq"]) for line in found] == [
        ("line", 2),
        ("line", 3),
        ("line", 4),
        ("gap", 5),
        ("line", 6),
        ("line", 7),
        ("line", 9),
    ]
    assert b"".join(base64.b64decode(line["data"]) for line in found if line["kind"] == "line") == RAW
    assert found[0]["text"] == "\x1b[31mred\\xff"
    assert found[5]["end"] == "fragment"
    assert (await esperctl("logs", "-o", "json")).out == done.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-n", "1"], b"help\r\n"),
        (["-n", "2"], b"esp> help\r\n"),
        (["-n", "5"], b"wifi up\r\nthree\n\nesp> help\r\n"),
        (["-n", "0"], b""),
        (["--after", "3"], b"three\n\nesp> help\r\n"),
        (["--after", "0"], RAW),
        (["--after", "9"], b""),
        (["--after", "1", "-n", "2"], b"esp> help\r\n"),
        (["-S", "2026-01-31T08:30:03Z"], b"\nesp> help\r\n"),
        (["-U", "2026-01-31T08:30:01Z"], b"\x1b[31mred\xff\r\nwifi up\r\nthree\n"),
        (["-U", "2026-01-31T08:30:01Z", "-n", "1"], b"three\n"),
        (["-S", "2026-01-31 08:30:01", "-U", "2026-01-31 08:30:02", "-n", "2"], b"wifi up\r\nthree\n"),
        (["-g", "wifi|help"], b"wifi up\r\nhelp\r\n"),
        (["-g", "^three$"], b"three\n"),
        (["-g", "e", "-n", "2"], b"esp> help\r\n"),
        (["-S", "1m"], b""),
    ],
    ids=str,
)
async def test_a_range_is_exact_to_the_line(
    journal: FakeDaemon, esperctl: Esperctl, words: list[str], expected: bytes
) -> None:
    done = await esperctl("logs", "-o", "raw", *words)
    assert (done.code, done.raw) == (0, expected)


async def test_a_pattern_that_is_not_found_is_a_no(journal: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("logs", "-g", "nonsense")
    assert (done.code, done.out, done.err) == (1, "", "")


async def test_matching_lines_are_each_ended(journal: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("logs", "-g", "esp|help")
    assert done.out.splitlines()[1:] == ["08:30:03.000 esp> ", "08:30:05.000 help"]


async def test_a_pattern_finds_events_and_decodes_as_they_are_printed(daemon: FakeDaemon, esperctl: Esperctl) -> None:
    report = '{"reason": "Store access fault", "frames": [{"pc": 16, "function": "boom"}]}'
    daemon.add(Line(b"boom 1\n", 1), Note("boom 2", "bob"), CoredumpStarted("bench1-1", 3), Line(b"boom\n", 1))
    daemon.add(DecodeFinished("bench1-1", "native", 0.1, "/r.json", report, 1), Line(b"other\n", 1))

    done = await esperctl("logs", "-g", "boom", "--dump", "hide")

    assert done.out.splitlines()[1:] == [
        "08:30:00.000 boom 1",
        "--- 08:30:01.000 note by bob: boom 2 ---",
        "--- 08:30:04.000 decoded bench1-1 in 0.1 s (native): /r.json ---",
        "    Store access fault",
        "    #0  0x00000010 in boom",
    ]
    assert (await esperctl("logs", "-g", "boom", "--no-decode")).out.splitlines()[-1] == "08:30:03.000 boom"
    assert (await esperctl("logs", "-g", "boom", "-o", "raw")).raw == b"boom 1\nboom\n"
    assert (await esperctl("logs", "-g", "boom", "-n", "1")).out.splitlines()[-1] == "    #0  0x00000010 in boom"
    assert (await esperctl("logs", "-g", "boom", "-n", "1", "--no-decode")).out.splitlines()[1:] == [
        "08:30:03.000 boom"
    ]


async def test_the_base64_of_dumps_is_shown_in_a_pipe_unless_it_is_not_wanted(
    daemon: FakeDaemon, esperctl: Esperctl
) -> None:
    daemon.add(CoredumpStarted("bench1-1", 1), Line(b"QUJD\r\n", 1))
    assert "QUJD" in (await esperctl("logs")).out
    for choice in ("fold", "hide"):
        assert "QUJD" not in (await esperctl("logs", "--dump", choice)).out
        assert (await esperctl("logs", "--dump", choice, "-o", "raw")).raw == b"QUJD\r\n"


async def test_an_empty_journal_is_no_error(daemon: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("logs")
    assert (done.code, done.out) == (0, "")


async def read_until(process: subprocess.Popen[bytes], expected: bytes) -> bytes:
    """Reads stdout until it ends with *expected*."""
    assert process.stdout is not None
    seen = b""
    with trio.fail_after(20):
        while not seen.endswith(expected):
            await trio.lowlevel.wait_readable(process.stdout)
            block = os.read(process.stdout.fileno(), 65536)
            assert block, f"the stream ended after {seen!r}"
            seen += block
    return seen


async def wait(process: subprocess.Popen[bytes]) -> int:
    with trio.fail_after(20):
        return await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True)


async def test_following_begins_with_the_last_ten_lines_and_goes_on(daemon: FakeDaemon, follower: Follower) -> None:
    daemon.add(Line(b"".join(b"%d\n" % number for number in range(15)), 15))
    process = follower("logs", "-f", "-o", "raw")
    assert await read_until(process, b"14\n") == b"".join(b"%d\n" % number for number in range(5, 15))
    await daemon.publish(Line(b"esp> ", 1, "fragment"))
    await read_until(process, b"esp> ")
    await daemon.publish(Line(b"x\n", 1))
    assert await read_until(process, b"\n") == b"x\n"


async def test_following_after_a_search_loses_and_repeats_nothing(daemon: FakeDaemon, follower: Follower) -> None:
    daemon.add(Line(b"a1\nb\na2\na3\n", 4))
    process = follower("logs", "-f", "-n", "2", "-g", "a", "-o", "raw")
    await daemon.requested(Subscribe, 2)
    await daemon.publish(Line(b"b\na4\n", 2))
    assert await read_until(process, b"a4\n") == b"a2\na3\na4\n"


async def test_ctrl_c_ends_a_stream_with_130_and_no_traceback(daemon: FakeDaemon, follower: Follower) -> None:
    daemon.add(Line(b"esp> ", 1, "fragment"))
    process = follower("logs", "-f")
    await read_until(process, b"esp> ")
    process.send_signal(signal.SIGINT)
    assert await wait(process) == 130
    assert process.communicate() == (b"\n", b"")


async def test_a_reader_that_leaves_ends_a_stream_quietly(daemon: FakeDaemon, follower: Follower) -> None:
    daemon.add(Line(b"a\n", 1))
    process = follower("logs", "-f", "-o", "raw")
    await read_until(process, b"a\n")
    assert process.stdout is not None
    process.stdout.close()
    await daemon.publish(Line(b"b\n", 1))
    assert await wait(process) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""


async def test_a_refused_subscription_is_an_error(
    daemon: FakeDaemon, esperctl: Esperctl, refuse: type[Refusal]
) -> None:
    daemon.answers[Subscribe] = refuse("limit", "too many viewers")
    assert (await esperctl("logs")).code == 75


async def test_events_are_json_lines_with_every_kind(journal: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("events")
    found = [msgspec.json.decode(line) for line in done.raw.splitlines()]
    assert [event["seq"] for event in found] == list(range(1, 10))
    assert [event["kind"] for event in found] == ["session_opened", *["line"] * 3, "gap", *["line"] * 2, "note", "line"]
    assert found[7]["who"] == "bob"


async def test_events_of_some_kinds(journal: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("events", "--kind", "note", "--kind", "gap")
    assert [msgspec.json.decode(line)["kind"] for line in done.raw.splitlines()] == ["gap", "note"]
    assert (await esperctl("events", "--kind", "panic")).code == 0


async def test_events_after_a_position_are_cut_inside_a_batch(journal: FakeDaemon, esperctl: Esperctl) -> None:
    done = await esperctl("events", "--after", "3", "--kind", "line")
    assert [msgspec.json.decode(line)["seq"] for line in done.raw.splitlines()] == [4, 6, 7, 9]


async def test_events_are_followed_from_the_present(journal: FakeDaemon, follower: Follower) -> None:
    process = follower("events", "-f")
    await journal.requested(Subscribe)
    await journal.publish(Note("hello", "bob"))
    event = msgspec.json.decode(await read_until(process, b"\n"))
    assert (event["seq"], event["text"]) == (10, "hello")
