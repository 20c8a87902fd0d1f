"""What feeds the watchdog, and what does not."""

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import trio

from esperd.board.board import Board
from esperd.service.manager import ServiceManager
from esperd.service.status import report_status
from esperd.service.watchdog import Watchdog
from esperd.testing.boards import open_boards
from esperd.testing.service_manager import Manager
from esperd.testing.terminal import BoardTerminal

WATCHDOG_S = 0.15
# Long enough to be sure that nothing comes.
SILENCE_S = 4 * WATCHDOG_S


async def receive_fed(manager: Manager, count: int) -> None:
    with trio.fail_after(10):
        for _ in range(count):
            assert await manager.receive() == "WATCHDOG=1"


async def receive_nothing(manager: Manager) -> None:
    with trio.move_on_after(SILENCE_S):
        pytest.fail(f"was told {await manager.receive()}")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


@pytest.fixture
def terminal() -> Iterator[BoardTerminal]:
    terminal = BoardTerminal()
    yield terminal
    terminal.hang_up()


def watchdog(manager: Manager, boards: Mapping[str, Board]) -> Watchdog:
    return Watchdog(ServiceManager(manager.address), boards, WATCHDOG_S)


async def connected(board: Board) -> None:
    with trio.fail_after(10):
        while board.publisher.summary.state != "connected":
            await board.parts.disk.progress.wait()


async def test_silent_and_absent_boards_feed_it_each_time_that_they_have_answered(
    tmp_path: Path, manager: Manager, terminal: BoardTerminal, nursery: trio.Nursery
) -> None:
    async with open_boards(tmp_path / "state", f"here={terminal.path}", "absent", "far", own_ports=True) as registry:
        await connected(registry.board("here"))
        nursery.start_soon(watchdog(manager, registry.boards).run)
        await receive_fed(manager, 1)
        for _ in range(10):
            # A disk writer that has nothing to write comes round only when it is asked.
            rounds = [board.parts.disk.progress for board in registry.boards.values()]
            await receive_fed(manager, 1)
            assert [has_come.is_set() for has_come in rounds] == [True, True, True]
        nursery.cancel_scope.cancel()


async def test_a_board_that_nobody_reads_any_more_does_not(
    tmp_path: Path, manager: Manager, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_boards(tmp_path / "state", "b", own_ports=False) as registry:
        nursery.start_soon(watchdog(manager, registry.boards).run)
        await receive_fed(manager, 1)
        await receive_nothing(manager)
        nursery.cancel_scope.cancel()
    assert "watchdog waits part=reader board=b" in caplog.text


async def test_a_board_that_has_gone_is_not_waited_for(tmp_path: Path, manager: Manager, nursery: trio.Nursery) -> None:
    async with open_boards(tmp_path / "state", "b", own_ports=False) as registry:
        boards = dict(registry.boards)
        feeding = watchdog(manager, boards)
        nursery.start_soon(feeding.run)
        await receive_fed(manager, 1)
        feeding.boards_changed()
        await receive_nothing(manager)
        del boards["b"]
        feeding.boards_changed()
        await receive_fed(manager, 3)
        nursery.cancel_scope.cancel()


async def test_all_are_asked_at_once_so_that_many_slow_disks_are_no_slower_than_one(
    tmp_path: Path, manager: Manager, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    held, release = os.pipe()
    names = [f"b{number}" for number in range(6)]
    async with open_boards(tmp_path / "state", *names, own_ports=True) as registry:
        for board in registry.boards.values():
            board.parts.disk.submit(partial(os.read, held, 1), pytest.fail)  # type: ignore[arg-type]  # what it returns is of no interest
        nursery.start_soon(watchdog(manager, registry.boards).run)
        await receive_fed(manager, 1)
        await receive_nothing(manager)
        assert [name for name in names if f"watchdog waits part=disk board={name}" in caplog.text] == names
        os.write(release, b"!" * 6)
        await receive_fed(manager, 3)
        nursery.cancel_scope.cancel()
    os.close(held)
    os.close(release)


async def test_a_disk_that_does_not_come_back_does_not_until_it_does(
    tmp_path: Path, manager: Manager, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    held, release = os.pipe()
    async with open_boards(tmp_path / "state", "b", own_ports=True) as registry:
        # The writer's thread waits, as it does in a write to a disk that hangs.
        registry.board("b").parts.disk.submit(partial(os.read, held, 1), pytest.fail)  # type: ignore[arg-type]  # what it returns is of no interest
        nursery.start_soon(watchdog(manager, registry.boards).run)
        await receive_fed(manager, 1)
        await receive_nothing(manager)
        os.write(release, b"!")
        await receive_fed(manager, 3)
        nursery.cancel_scope.cancel()
    os.close(held)
    os.close(release)
    assert "watchdog waits part=disk board=b" in caplog.text
    assert "watchdog was answered part=disk board=b" in caplog.text


async def test_a_disk_that_refuses_feeds_it(tmp_path: Path, manager: Manager, nursery: trio.Nursery) -> None:
    # A full disk is told to viewers; a daemon that is killed for it would forget what waits in memory.
    async with open_boards(tmp_path / "state", "b", own_ports=True) as registry:
        disk = registry.board("b").parts.disk
        await disk.prove_writing()
        disk.failure = OSError("full")
        with trio.fail_after(10):
            await disk.prove_writing()


async def test_whoever_asks_loses_no_byte(tmp_path: Path, terminal: BoardTerminal) -> None:
    async with open_boards(tmp_path / "state", f"b={terminal.path}", own_ports=True) as registry:
        board = registry.board("b")
        await connected(board)
        sent = b"".join(b"line %d\n" % number for number in range(3000))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(terminal.send, sent)
            with trio.fail_after(20):
                while board.publisher.bytes < len(sent):
                    await board.prove_reading()
        assert board.publisher.bytes == len(sent)


async def test_the_status_is_told_when_it_changes_and_only_then(
    tmp_path: Path, manager: Manager, terminal: BoardTerminal, nursery: trio.Nursery
) -> None:
    link = tmp_path / "tty"
    async with open_boards(tmp_path / "state", f"b={link}", own_ports=True) as registry:
        nursery.start_soon(report_status, ServiceManager(manager.address), registry.boards.values())
        with trio.fail_after(10):
            assert await manager.receive() == "STATUS=b absent; 0 viewers"
            registry.board("b").add_note("changes nothing", "me")
            link.symlink_to(terminal.path)
            assert await manager.receive() == "STATUS=b connected; 0 viewers"
        nursery.cancel_scope.cancel()
