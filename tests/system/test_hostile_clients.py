"""Clients that break the protocol, or flood: each is told why and disconnected, and nobody else notices."""

import contextlib
import random
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

import msgspec
import pytest
import trio

from esper_protocol.codec import decode_server_message, encode_message
from esper_protocol.events import SessionOpened, ViewerDetached
from esper_protocol.framing import HEADER, FrameReader, encode_frame
from esper_protocol.messages import (
    Boards,
    ErrorResponse,
    Hello,
    ListBoards,
    ReadCoredumpFile,
    Request,
    Send,
    Subscribe,
    Subscribed,
)
from esper_protocol.version import PROTOCOL_VERSION
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.terminal import BoardTerminal
from esperd.testing.viewer import RefusedError, Viewer, joined_lines

MIB: Final = 1024 * 1024
HELLO: Final = Hello(PROTOCOL_VERSION, PROTOCOL_VERSION, "a test")
FLOOD_BYTES: Final = 100 * MIB
SLACK_BYTES: Final = 24 * MIB


@dataclass
class Watched:
    """A daemon with one board and an honest viewer of it."""

    daemon: Daemon
    terminal: BoardTerminal
    viewer: Viewer

    async def check(self) -> None:
        """The board and its viewer are as before."""
        said = joined_lines(self.viewer.events)
        await self.terminal.send(b"still here\r\n")
        await self.viewer.wait_for_bytes(len(said) + len(b"still here\r\n"))
        assert joined_lines(self.viewer.events) == said + b"still here\r\n"
        assert isinstance(await self.viewer.request(ListBoards()), Boards)
        assert self.daemon.process.poll() is None


@pytest.fixture
async def watched(bench: Bench, terminal: BoardTerminal) -> AsyncGenerator[Watched]:
    daemon = await bench.start(f"b={terminal.path}", "--clients", "8")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(SessionOpened)
        yield Watched(daemon, terminal, viewer)


async def answer_to(watched: Watched, data: bytes, *, timeout_s: float = 10) -> ErrorResponse | None:
    """The last words of the daemon to a client that sent *data*; the connection must end."""
    frames, said = FrameReader(), b""
    async with await trio.open_unix_socket(str(watched.daemon.socket)) as stream:
        with trio.fail_after(timeout_s):
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(data)
            with contextlib.suppress(trio.BrokenResourceError):
                async for part in stream:
                    said += part
    messages = [decode_server_message(payload) for payload in frames.receive_data(said)]
    return messages[-1] if messages and isinstance(messages[-1], ErrorResponse) else None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "bytes was announced", id="HTTP"),
        pytest.param(bytes(64), "empty message", id="zeros"),
        pytest.param(HEADER.pack(2**32 - 1, 0), "bytes was announced", id="a huge message announced"),
        pytest.param(HEADER.pack(4, 1) + b"abcd", "wrong checksum", id="a wrong checksum"),
        pytest.param(encode_frame(b"\xc1\xc1\xc1"), "malformed", id="not MessagePack"),
        pytest.param(encode_frame(msgspec.msgpack.encode({"a": 1})), "not a MessagePack array", id="a map"),
        pytest.param(encode_frame(b"\x91" * 100_000 + b"\xc0"), "not a MessagePack array", id="deep nesting"),
        pytest.param(encode_message(Request(1, ListBoards())), "not allowed", id="a request before the handshake"),
        pytest.param(encode_message(HELLO) * 2, "not allowed", id="two handshakes"),
        pytest.param(
            encode_message(HELLO) + encode_frame(msgspec.msgpack.encode(["request", 1, ["subscribe", 7]])),
            "malformed",
            id="a request with wrong fields",
        ),
        pytest.param(
            encode_message(HELLO) + encode_frame(msgspec.msgpack.encode(["request", 0, ["list_boards"]])),
            "malformed",
            id="a request with the id 0",
        ),
    ],
)
async def test_a_client_that_breaks_the_protocol_is_told_and_disconnected(
    watched: Watched, data: bytes, words: str
) -> None:
    error = await answer_to(watched, data)
    assert error is not None
    assert (error.id, error.code) == (0, "bad_request")
    assert words in error.message
    await watched.daemon.wait_for_log("client refused")
    assert watched.daemon.text.count("client refused") == 1
    await watched.check()


async def test_random_nonsense_never_disturbs_anybody(watched: Watched) -> None:
    generator = random.Random(3)  # noqa: S311 - repeatable, not secret
    for _ in range(100):
        data = generator.randbytes(generator.randrange(8, 300))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(watched.daemon.socket))
            client.sendall(encode_message(HELLO) * generator.randrange(2) + data)
    await watched.check()


async def test_a_client_of_another_protocol_version_is_told_both_versions(watched: Watched) -> None:
    error = await answer_to(watched, encode_message(Hello(9999, 9998, "esperctl 99.0")))
    assert error is not None
    assert error.code == "incompatible_version"
    assert "esperctl 99.0" in error.message
    assert "9998 to 9999" in error.message
    await watched.check()


async def test_an_unknown_request_is_answered_and_the_connection_goes_on(watched: Watched) -> None:
    unknown = encode_frame(msgspec.msgpack.encode(["request", 5, ["make_coffee", 2, {"milk": True}]]))
    async with watched.daemon.viewer() as viewer:
        await viewer.stream.send_all(unknown)
        answer = await viewer.answer_to(5)
        assert isinstance(answer, ErrorResponse)
        assert answer.code == "unsupported"
        assert "make_coffee" in answer.message
        assert isinstance(await viewer.request(ListBoards()), Boards)
    await watched.check()


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(encode_message(HELLO)[:9], id="half a frame"),
    ],
)
async def test_a_client_that_goes_silent_before_the_handshake_is_disconnected(watched: Watched, data: bytes) -> None:
    began = trio.current_time()
    error = await answer_to(watched, data)
    assert error is not None
    assert error.code == "timed_out"
    assert 4 < trio.current_time() - began < 8
    await watched.check()


@pytest.mark.slow
async def test_a_client_that_sends_a_hundred_megabytes_costs_no_memory(watched: Watched) -> None:
    before_bytes = watched.daemon.rss_bytes
    send = encode_message(Request(1, Send("nobody", bytes(MIB - 100))))

    async def flood(stream: trio.SocketStream) -> None:
        try:
            for _ in range(FLOOD_BYTES // len(send)):
                await stream.send_all(send)
        finally:
            await stream.send_eof()

    async with watched.daemon.viewer() as viewer, trio.open_nursery() as nursery:
        nursery.start_soon(flood, viewer.stream)
        await viewer.receive_to_end(60)
        answer = await viewer.answer_to(1)
    assert isinstance(answer, ErrorResponse)
    assert answer.code == "unknown_board"
    assert watched.daemon.peak_rss_bytes < before_bytes + SLACK_BYTES
    await watched.check()


@pytest.mark.slow
@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(encode_message(Request(1, ListBoards())), id="a request"),
        pytest.param(encode_frame(msgspec.msgpack.encode(["request", 1, ["make_coffee"]])), id="an unknown request"),
    ],
)
async def test_a_client_that_asks_without_reading_the_answers_costs_no_memory(watched: Watched, ask: bytes) -> None:
    before_bytes = watched.daemon.rss_bytes
    async with watched.daemon.viewer() as viewer:
        with trio.move_on_after(3) as scope:
            for _ in range(FLOOD_BYTES // len(ask)):
                await viewer.stream.send_all(ask * 100)
        assert scope.cancelled_caught, "the daemon never stopped reading"
        await watched.check()
        assert watched.daemon.peak_rss_bytes < before_bytes + SLACK_BYTES


async def test_one_client_too_many_is_told_so(watched: Watched) -> None:
    async with contextlib.AsyncExitStack() as others:
        for _ in range(7):
            await others.enter_async_context(watched.daemon.viewer())
        with pytest.raises(RefusedError) as refused:
            await others.enter_async_context(watched.daemon.viewer())
        assert refused.value.error.code == "limit"
        assert "8 clients" in refused.value.error.message
        await watched.check()
    await watched.check()


async def test_a_viewer_that_just_vanishes_is_detached(watched: Watched) -> None:
    async with watched.daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b"))
        await trio.aclose_forcefully(viewer.stream)
    detached = (await watched.viewer.wait_for(ViewerDetached)).body
    assert isinstance(detached, ViewerDetached)
    assert detached.viewers == 1
    await watched.check()


@pytest.mark.parametrize("name", ["../record.json", "/etc/passwd", "..", "", "a\x00b"])
async def test_no_file_outside_of_a_dump_can_be_read(watched: Watched, name: str) -> None:
    async with watched.daemon.viewer() as viewer:
        with pytest.raises(RefusedError) as refused:
            await viewer.request(ReadCoredumpFile("../b-1", name, 0))
    assert refused.value.error.code == "unknown_coredump"
    await watched.check()


async def test_an_unknown_board_is_an_error_of_the_request_alone(watched: Watched) -> None:
    async with watched.daemon.viewer() as viewer:
        with pytest.raises(RefusedError) as refused:
            await viewer.subscribe(Subscribe("c"))
        assert refused.value.error.code == "unknown_board"
        assert refused.value.error.hint == "boards here: b"
        assert isinstance(await viewer.subscribe(Subscribe("b")), Subscribed)
