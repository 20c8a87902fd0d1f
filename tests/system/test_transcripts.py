"""Every recorded board, by every way its bytes can come: what is kept is what it said."""

import hashlib
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from esper_protocol.events import Boot, CoredumpEnded, Event, Panic
from esper_protocol.messages import Subscribe
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.terminal import BoardTerminal
from esperd.testing.transcripts import Transcript
from esperd.testing.viewer import Viewer, bodies, joined_lines

# Shorter than a recorded pause must not be, and what a transcript leaves open is over soon.
IDLE_S = "1"
PACED_S = 1.5

Source = Callable[[Transcript, trio.Nursery, AsyncExitStack], Awaitable[str]]


async def say_at_once(transcript: Transcript, terminal: BoardTerminal) -> None:
    await terminal.send(transcript.data)


async def say_in_recorded_pieces(transcript: Transcript, terminal: BoardTerminal) -> None:
    started = trio.current_time()
    scale = PACED_S / max(at_ms for at_ms, _ in transcript.pieces)
    position = 0
    for at_ms, size in transcript.pieces:
        await trio.sleep_until(started + at_ms * scale)
        await terminal.send(transcript.data[position : position + size])
        position += size


async def say_byte_by_byte(transcript: Transcript, terminal: BoardTerminal) -> None:
    for position in range(len(transcript.data)):
        await terminal.send(transcript.data[position : position + 1])


Feed = Callable[[Transcript, BoardTerminal], Awaitable[None]]


async def at_terminal(feed: Feed, transcript: Transcript, nursery: trio.Nursery, held: AsyncExitStack) -> str:
    terminal = BoardTerminal()
    held.callback(terminal.hang_up)
    nursery.start_soon(feed, transcript, terminal)
    return terminal.path


async def at_socket(transcript: Transcript, nursery: trio.Nursery, held: AsyncExitStack) -> str:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(transcript.data)
        while await stream.receive_some():  # stays connected
            pass

    listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
    return f"socket://127.0.0.1:{listeners[0].socket.getsockname()[1]}"


async def at_replay(transcript: Transcript, nursery: trio.Nursery, held: AsyncExitStack) -> str:
    return f"replay:{transcript.path}?speed=0"


@asynccontextmanager
async def running(
    bench: Bench, transcripts: list[Transcript], source: Source, *arguments: str
) -> AsyncGenerator[Daemon]:
    """One daemon that owns all of the boards, each of which says its transcript."""
    async with AsyncExitStack() as held, trio.open_nursery() as nursery:
        ports = [f"{transcript.name}={await source(transcript, nursery, held)}" for transcript in transcripts]
        yield await bench.start(*ports, "--coredump-idle-s", IDLE_S, *arguments)
        nursery.cancel_scope.cancel()


async def receive_all(viewer: Viewer, transcript: Transcript) -> None:
    """Receives until all was said, and what is expected was found."""
    await viewer.wait_for_bytes(len(transcript.data))
    if count := len(transcript.expected.dumps):
        await viewer.wait_for(CoredumpEnded, count=count)
    if count := len(transcript.expected.panics):
        await viewer.wait_for(Panic, lambda panic: panic.fatal, count=count)


def describe(events: list[Event]) -> dict[str, object]:
    """What was found, in the form of ``expectation``."""
    return {
        "boots": [f"rst:0x{boot.reset_code:x} ({boot.reset_reason})" for boot in bodies(events, Boot)],
        "fatal panics": sum(panic.fatal for panic in bodies(events, Panic)),
        "dumps": [describe_dump(ended) for ended in bodies(events, CoredumpEnded)],
    }


def describe_dump(ended: CoredumpEnded) -> tuple[object, ...]:
    if ended.capture != "captured":
        return ("partial",)
    decoded = (Path(ended.path) / "core.bin").read_bytes()
    return ("captured", ended.decoded_bytes, len(decoded), hashlib.sha256(decoded).hexdigest(), ended.checksum)


def expectation(transcript: Transcript) -> dict[str, object]:
    expected = transcript.expected
    return {
        "boots": [reset.text for reset in expected.resets],
        "fatal panics": len(expected.panics),
        "dumps": [
            ("captured", dump.decoded_len, dump.decoded_len, dump.decoded_sha256, "ok")
            if dump.complete
            else ("partial",)
            for dump in expected.dumps
        ],
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        pytest.param(partial(at_terminal, say_at_once), id="terminal at once"),
        pytest.param(partial(at_terminal, say_in_recorded_pieces), id="terminal in recorded pieces"),
        pytest.param(partial(at_terminal, say_byte_by_byte), id="terminal byte by byte"),
        pytest.param(at_socket, id="socket"),
        pytest.param(at_replay, id="replay"),
    ],
)
async def test_every_transcript_is_kept_byte_for_byte_with_its_boots_panics_and_dumps(
    bench: Bench, transcripts: list[Transcript], source: Source
) -> None:
    async with running(bench, transcripts, source) as daemon, AsyncExitStack() as connected:
        viewers = [await connected.enter_async_context(daemon.viewer()) for _ in transcripts]
        for viewer, transcript in zip(viewers, transcripts, strict=True):
            await viewer.subscribe(Subscribe(transcript.name, after=0))
            await receive_all(viewer, transcript)
            assert joined_lines(await daemon.history(transcript.name)) == transcript.data, transcript.name
        # A stop ends whatever was under way: after it nothing unexpected can still be found.
        assert await daemon.stop() == 0
        for viewer, transcript in zip(viewers, transcripts, strict=True):
            await viewer.receive_to_end()
            assert joined_lines(viewer.events) == transcript.data, transcript.name
            assert describe(viewer.events) == expectation(transcript), transcript.name


@pytest.mark.slow
async def test_a_transcript_at_its_recorded_pace_is_kept_byte_for_byte(
    bench: Bench, transcripts: list[Transcript]
) -> None:
    shortest = min(transcripts, key=lambda transcript: len(transcript.data))
    daemon = await bench.start(f"{shortest.name}=replay:{shortest.path}")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe(shortest.name, after=0))
        await viewer.wait_for_bytes(len(shortest.data))
        assert joined_lines(viewer.events) == shortest.data
    assert joined_lines(await daemon.history(shortest.name)) == shortest.data


async def test_esperctl_prints_a_transcript_byte_for_byte(bench: Bench, transcripts: list[Transcript]) -> None:
    longest = max(transcripts, key=lambda transcript: len(transcript.data))
    daemon = await bench.start(f"b=replay:{longest.path}?speed=0")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for_bytes(len(longest.data))
    command = [sys.executable, "-m", "esperctl", "--socket", str(daemon.socket)]
    printed = await trio.run_process([*command, "logs", "b", "-o", "raw", "--after", "0"], capture_stdout=True)
    assert printed.stdout == longest.data
