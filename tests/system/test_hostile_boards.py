"""Boards that say nonsense: every byte is kept, memory and dumps stay bounded."""

import random
from pathlib import Path
from typing import Final

import pytest
import trio

from esper_protocol.events import Boot, CoredumpEnded, CoredumpStarted, GdbStub, Line, Panic, SessionOpened
from esper_protocol.messages import Subscribe
from esperd.testing.daemon import Bench
from esperd.testing.dumps import START_LINE
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import bodies, joined_lines

KIB: Final = 1024
MIB: Final = 1024 * KIB
LINE_BYTES: Final = 64 * KIB
DUMP_TEXT_BYTES: Final = 256 * KIB
# What may be in memory at once beside the tail: frames for the disk, reads, a batch for each viewer.
SLACK_BYTES: Final = 24 * MIB
TAIL_BYTES: Final = 4 * MIB
# A hundred times what any limit allows.
FLOOD_BYTES: Final = 40 * MIB
FLOOD_TIMEOUT_S: Final = 90


@pytest.mark.slow
async def test_a_board_that_never_ends_its_line_is_kept_byte_for_byte_in_marked_parts(
    bench: Bench, terminal: BoardTerminal, nursery: trio.Nursery
) -> None:
    flood = random.Random(1).randbytes(MIB).replace(b"\n", b" ") * (FLOOD_BYTES // MIB)  # noqa: S311 - noise
    daemon = await bench.start(f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(SessionOpened)
        before_bytes = daemon.rss_bytes
        nursery.start_soon(terminal.send, flood + b"\r\nnext\r\n")
        await viewer.wait_for_bytes(len(flood) + 8, timeout_s=FLOOD_TIMEOUT_S)
        assert daemon.peak_rss_bytes < before_bytes + TAIL_BYTES + SLACK_BYTES
    assert joined_lines(viewer.events) == flood + b"\r\nnext\r\n"
    lines = bodies(viewer.events, Line)
    assert {line.end for line in lines[:-1]} <= {"split", "fragment", "newline"}
    unfinished = [line for line in lines if line.end != "newline"]
    assert len(unfinished) >= len(flood) // LINE_BYTES
    assert all(len(line.data) <= LINE_BYTES for line in unfinished)
    assert all(line.count == 1 for line in unfinished)
    assert joined_lines(await daemon.history("b")) == flood + b"\r\nnext\r\n"


@pytest.mark.slow
async def test_a_dump_without_an_end_is_cut_at_its_limit_and_the_rest_is_ordinary_output(
    bench: Bench, terminal: BoardTerminal, nursery: trio.Nursery
) -> None:
    line = b"QUJD" * 16 + b"\r\n"
    flood = START_LINE + line * (FLOOD_BYTES // len(line))
    daemon = await bench.start(f"b={terminal.path}", "--coredump-text-bytes", str(DUMP_TEXT_BYTES))
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(SessionOpened)
        before_bytes = daemon.rss_bytes
        nursery.start_soon(terminal.send, flood)
        await viewer.wait_for_bytes(len(flood), timeout_s=FLOOD_TIMEOUT_S)
        assert daemon.peak_rss_bytes < before_bytes + TAIL_BYTES + SLACK_BYTES
    assert joined_lines(viewer.events) == flood
    (ended,) = bodies(viewer.events, CoredumpEnded)
    assert (ended.capture, ended.end_reason) == ("partial", "size_limit")
    stored = (Path(ended.path) / "core.b64").stat().st_size
    assert DUMP_TEXT_BYTES <= stored <= DUMP_TEXT_BYTES + len(line)
    assert stored == ended.raw_bytes
    assert not (bench.state_dir / "coredumps" / "b-2").exists()


@pytest.mark.slow
async def test_a_dump_of_many_short_lines_is_cut_at_its_limit_of_lines(bench: Bench, terminal: BoardTerminal) -> None:
    said = START_LINE + b"QUJD\r\n" * 150
    daemon = await bench.start(f"b={terminal.path}", "--coredump-lines", "100")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await terminal.send(said)
        ended = (await viewer.wait_for(CoredumpEnded)).body
        await viewer.wait_for_bytes(len(said))
    assert isinstance(ended, CoredumpEnded)
    assert (ended.end_reason, ended.raw_lines) == ("line_limit", 100)


@pytest.mark.slow
async def test_a_dump_that_stalls_ends_when_its_silence_is_too_long(bench: Bench, terminal: BoardTerminal) -> None:
    daemon = await bench.start(f"b={terminal.path}", "--coredump-idle-s", "0.5")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await terminal.send(START_LINE + b"QUJD\r\n")
        started = await viewer.wait_for(CoredumpStarted)
        ended = await viewer.wait_for(CoredumpEnded)
    assert isinstance(ended.body, CoredumpEnded)
    assert (ended.body.capture, ended.body.end_reason) == ("partial", "idle_timeout")
    assert 0.4 < (ended.at - started.at) / 1e9 < 5


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(bytes(100_000), id="NUL bytes"),
        pytest.param(b"\xff\xfe\xc3\x28\xe2\x82\r\n" * 1000, id="not UTF-8"),
        pytest.param(bytes(range(256)) * 400, id="every byte"),
        pytest.param(random.Random(2).randbytes(200_000), id="noise"),  # noqa: S311 - noise
        pytest.param(b"\r" * 50_000 + b"\n" * 50_000, id="line ends"),
        pytest.param(b"\x1b[2J\x1b]0;title\x07\x1b[31mred\r\n" * 1000, id="terminal sequences"),
        pytest.param(b"\x03\x04\x11\x13\x1a\x1c\x7f" * 1000, id="terminal control characters"),
    ],
)
async def test_nonsense_is_kept_byte_for_byte_and_taken_for_nothing(
    bench: Bench, terminal: BoardTerminal, said: bytes
) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await terminal.send(said)
        await viewer.wait_for_bytes(len(said))
    events = await daemon.history("b")
    assert joined_lines(events) == said
    assert not [event for event in events if isinstance(event.body, Boot | Panic | CoredumpStarted | GdbStub)]
