import asyncio
from pathlib import Path

import pytest

from esper_protocol.connection import ServerConnection
from esper_protocol.events import Event, Line
from esperctl.viewer.connection import channel as channels
from esperctl.viewer.connection.channel import Channel

_DEADLINE_S = 20.0


class _Peer:
    """A daemon that says what the test has it say."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = ServerConnection("esperd 0.0.0")
        self._writer: asyncio.StreamWriter | None = None
        self._said = 0

    async def connect(self) -> Channel:
        self._server = await asyncio.start_unix_server(self._greet, self._path)
        return await Channel.open(str(self._path))

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connection.receive_data(await reader.read(4096))
        writer.write(self._connection.welcome())
        self._writer = writer

    def say(self, size_bytes: int) -> None:
        assert self._writer is not None
        self._said += 1
        event = Event(self._said, 1, "b", 1, 1, Line(b"x" * size_bytes + b"\n", 1))
        self._writer.write(self._connection.send(event))

    async def close(self, channel: Channel) -> None:
        assert self._writer is not None
        await channel.close()
        self._writer.close()
        self._server.close()
        await self._server.wait_closed()


def test_small_blocks_that_come_one_after_the_other_are_taken_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "_SILENCE_S", _DEADLINE_S)
    monkeypatch.setattr(channels, "_REST_S", 0.2)

    async def talk() -> tuple[int, int]:
        peer = _Peer(tmp_path / "socket")
        channel = await peer.connect()

        async def say_all() -> None:
            for _ in range(200):
                peer.say(10)
                await asyncio.sleep(0)

        blocks = lines = 0
        saying = asyncio.create_task(say_all())
        async with asyncio.timeout(_DEADLINE_S):
            while lines < 200:
                lines += len(await channel.receive())
                blocks += 1
                await channel.rest()
        await saying
        await peer.close(channel)
        return blocks, lines

    blocks, lines = asyncio.run(talk())
    assert lines == 200
    assert blocks < 20


def test_of_a_burst_each_block_is_followed_by_the_next_one_without_a_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "_SILENCE_S", _DEADLINE_S)
    monkeypatch.setattr(channels, "_REST_S", 10 * _DEADLINE_S)

    async def talk() -> int:
        peer = _Peer(tmp_path / "socket")
        channel = await peer.connect()
        lines = 0
        peer.say(300_000)
        async with asyncio.timeout(_DEADLINE_S):
            while not lines:
                lines += len(await channel.receive())
                if not lines:
                    await channel.rest()
        await peer.close(channel)
        return lines

    assert asyncio.run(talk()) == 1
