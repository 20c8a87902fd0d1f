"""The last crash of a board is known after the daemon was stopped or killed, to whoever comes in the morning."""

from typing import cast

import pytest

from esper_protocol.events import CoredumpStarted, Failure, FailureOver, Panic, SessionOpened
from esper_protocol.messages import Boards, ListBoards, Subscribe
from esper_protocol.records import CrashSummary
from esperd.testing.daemon import Bench, Daemon
from esperd.testing.decoders import until
from esperd.testing.dumps import START_LINE
from esperd.testing.small_disk import SmallDisk
from esperd.testing.terminal import BoardTerminal

ABORT = b"abort() was called at PC 0x42009351 on core 0\r\n"


async def crash_of(daemon: Daemon) -> CrashSummary | None:
    async with daemon.viewer() as viewer:
        (board,) = cast("Boards", await viewer.request(ListBoards())).boards
        return board.last_crash


@pytest.mark.parametrize("ends_by", ["stop", "kill"])
async def test_it_is_known_to_the_next_run(bench: Bench, terminal: BoardTerminal, ends_by: str) -> None:
    daemon = await bench.start(f"b={terminal.path}")
    assert await crash_of(daemon) is None
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(SessionOpened)
        await terminal.send(ABORT + b"Rebooting...\r\n" + START_LINE)
        await viewer.wait_for(Panic)
        await viewer.wait_for(CoredumpStarted)
    crash = await crash_of(daemon)
    assert crash is not None
    assert (crash.cause, crash.coredump) == ("abort", "b-1")
    if ends_by == "stop":
        assert await daemon.stop() == 0
    else:
        file = bench.state_dir / "boards/b/last_crash.json"
        await until(lambda: file.exists() and b"b-1" in file.read_bytes(), 10)
        await daemon.kill()

    again = await bench.start(f"b={terminal.path}")

    assert await crash_of(again) == crash


async def test_one_that_a_full_disk_refused_is_known_once_there_was_room(
    small_bench: Bench, small_disk: SmallDisk, terminal: BoardTerminal
) -> None:
    daemon = await small_bench.start(f"b={terminal.path}", "--free-disk-percent", "0")
    async with daemon.viewer() as viewer:
        await viewer.subscribe(Subscribe("b", after=0))
        await viewer.wait_for(SessionOpened)
        small_disk.fill(0)
        await terminal.send(ABORT + b"Rebooting...\r\n")
        await viewer.wait_for(Failure)
        await daemon.wait_for_log("last crash not noted")
        small_disk.make_room()
        await viewer.wait_for(FailureOver)
    crash = await crash_of(daemon)
    assert await daemon.stop() == 0

    again = await small_bench.start(f"b={terminal.path}", "--free-disk-percent", "0")

    assert crash is not None
    assert await crash_of(again) == crash


async def test_what_can_not_be_read_keeps_no_board_from_being_served(bench: Bench, terminal: BoardTerminal) -> None:
    folder = bench.state_dir / "boards/b"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "last_crash.json").write_bytes(b'{"cause": ')
    daemon = await bench.start(f"b={terminal.path}")
    assert await crash_of(daemon) is None
