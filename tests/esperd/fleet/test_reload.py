"""What a reload does when something fails or hangs in the middle of it."""

import dataclasses
import logging
import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest
import trio
from typing_extensions import override

from esper_protocol.records import CoredumpRecord, DecodeRecord
from esperd.assembly import daemon_record, make_decoding, open_store
from esperd.configuration.config import Config
from esperd.decode.decoding import Decoding
from esperd.fleet.fleet import Fleet
from esperd.fleet.reload import Reloader
from esperd.hooks.crash_hooks import CrashHooks
from esperd.server.registry import Registry
from esperd.service.manager import ServiceManager
from esperd.service.watchdog import Watchdog
from esperd.settings import Limits
from esperd.storage.orphans import Orphans
from esperd.testing.boards import config_for
from esperd.testing.service_manager import Manager
from esperd.testing.terminal import BoardTerminal

WATCHDOG_S = 60.0
# A dump that an ELF file may have come for.
UNFINISHED = CoredumpRecord(
    id="b-1",
    board="b",
    generation=1,
    boot=1,
    started_at="2026-01-01T00:00:00Z",
    app_sha256="ab" * 8,
    raw_path="",
    core_path="",
    first_seq=1,
    last_seq=1,
    capture="captured",
    decoded_bytes=10,
    decode=DecodeRecord(state="no_elf"),
)
# Of the clock: a reload waits 10 s, the watchdog 20 s.
SPEED = 30


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


def raise_it(error: OSError) -> None:
    raise error


@contextmanager
def hanging() -> Generator[Callable[[], None]]:
    """What is asked of a disk that does not answer until the end of the block."""
    held, release = os.pipe()

    def read() -> None:
        with os.fdopen(held, "rb") as file:
            file.read()

    try:
        yield read
    finally:
        os.close(release)


class Listening(logging.Filter):
    """Waits for words of our log, all of which it lets through."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.heard = trio.Event()
        self._words = words

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if self._words in record.getMessage():
            self.heard.set()
        return True


class Running:
    """A daemon without clients; ``wanted`` is what its file says."""

    def __init__(
        self, config: Config, fleet: Fleet, decoding: Decoding, reloader: Callable[["Running"], Reloader]
    ) -> None:
        self.wanted = config
        self.fleet = fleet
        self.decoding = decoding
        self.problems: list[str] = []
        self.before_reading: Callable[[], object] = lambda: None
        self.reloader = reloader(self)

    def read(self, _: Config) -> Config:
        """In a thread."""
        self.before_reading()
        return self.wanted


@asynccontextmanager
async def running(tmp_path: Path, manager: Manager, *boards: str) -> AsyncGenerator[Running]:
    config = config_for(tmp_path, *boards)
    store, hooks = open_store(config), CrashHooks((), Limits(), "")
    decoding, service = make_decoding(config, store), ServiceManager(manager.address)
    fleet = Fleet(store, decoding, hooks, "2026-01-01T00:00:00.000000Z")
    registry = Registry(
        daemon_record(config, ""),
        fleet.boards,
        store,
        Orphans(tmp_path, store.files, fleet.boards),
        trio.CapacityLimiter(1),
        decoding,
    )
    async with trio.open_nursery() as disks, trio.open_nursery() as owners:
        for board in config.boards:
            fleet.show(fleet.launch(config, await fleet.hold(config, board), disks), owners)

        def make(daemon: Running) -> Reloader:
            return Reloader(config, daemon.read, fleet, registry, hooks, service, daemon.problems.append, disks, owners)

        daemon = Running(config, fleet, decoding, make)
        watchdog = Watchdog(service, fleet.at_work, WATCHDOG_S)
        fleet.on_change = watchdog.boards_changed
        owners.start_soon(daemon.reloader.run)
        owners.start_soon(watchdog.run)
        try:
            yield daemon
        finally:
            owners.cancel_scope.cancel()
            fleet.close_disks()
    await fleet.release()


async def test_a_board_that_can_not_be_closed_holds_up_no_reload_and_is_watched_until_it_is(
    tmp_path: Path,
    manager: Manager,
    mock_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mock_clock.rate = SPEED
    complaint = Listening("watchdog waits part=disk board=b")
    caplog.handler.addFilter(complaint)
    async with running(tmp_path, manager, "a", "b") as daemon:
        fleet, both = daemon.fleet, daemon.wanted
        with hanging() as read:
            # Its disk does not answer.
            fleet.boards["b"].parts.disk.submit(read, raise_it)
            daemon.wanted = config_for(tmp_path, "a")
            daemon.reloader.ask()
            await manager.wait_for("READY=1", WATCHDOG_S)
            assert daemon.problems[-1] == "board b is still being closed: its disk does not answer, or its port"
            assert (list(fleet.boards), sorted(fleet.at_work)) == (["a"], ["a", "b"])

            # Nobody takes it for a daemon that is well.
            with trio.fail_after(WATCHDOG_S):
                await complaint.heard.wait()
            # The next one goes on, too, but for this board.
            daemon.wanted = dataclasses.replace(both, boards=(*both.boards, *config_for(tmp_path, "c").boards))
            daemon.reloader.ask()
            await manager.wait_for("READY=1", WATCHDOG_S)
            assert list(fleet.boards) == ["a", "c"]

        # And when the disk answers, all is as the file says without another signal.
        await manager.wait_for("READY=1", WATCHDOG_S)
        assert sorted(fleet.boards) == sorted(fleet.at_work) == ["a", "b", "c"]
        assert daemon.problems[-1] == ""
        await manager.wait_for("WATCHDOG=1", WATCHDOG_S)


async def test_what_fails_in_the_middle_is_made_good_by_the_next_reload(
    tmp_path: Path, manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, manager, "a", "b") as daemon:
        # An error of ours: nothing lets a level through that logging does not know.
        daemon.wanted = dataclasses.replace(config_for(tmp_path, "a", "c"), log_level="bogus")
        daemon.reloader.ask()
        await manager.wait_for("READY=1", WATCHDOG_S)
        assert "reload failed" in caplog.text
        assert daemon.problems[-1].startswith("esperd failed: ValueError: ")
        daemon.wanted = config_for(tmp_path, "a", "c")
        daemon.reloader.ask()
        await manager.wait_for("READY=1", WATCHDOG_S)
        assert list(daemon.fleet.boards) == ["a", "c"]
        assert daemon.problems[-1] == ""


async def test_a_board_that_goes_while_it_is_still_being_opened_is_closed_when_that_is_done(
    tmp_path: Path, manager: Manager, mock_clock: trio.testing.MockClock
) -> None:
    mock_clock.rate = SPEED
    # Its folder is on a disk that hangs: a record that waits to be written.
    record = tmp_path / "coredumps" / "b-1" / "record.json"
    record.parent.mkdir(parents=True, mode=0o700)
    os.mkfifo(record)
    async with running(tmp_path, manager, "a") as daemon:
        fleet, one = daemon.fleet, daemon.wanted
        # And so is the store of ELF files.
        async with daemon.decoding.limiter:
            daemon.wanted = config_for(tmp_path, "a", "b")
            daemon.reloader.ask()
            await manager.wait_for("READY=1", WATCHDOG_S)
            assert daemon.problems[-1] == "board b is still being opened: its disk does not answer, or its port"

            with record.open("wb") as file:
                file.write(msgspec.json.encode(UNFINISHED))
            with trio.fail_after(WATCHDOG_S):
                while "b" not in fleet.boards:
                    await trio.lowlevel.checkpoint()
            mock_clock.rate = 0
            daemon.wanted = one
            daemon.reloader.ask()
            await manager.wait_for("READY=1", WATCHDOG_S)
            assert daemon.problems[-1] == "board b is still being opened: its disk does not answer, or its port"
            mock_clock.rate = SPEED
            # What follows it without another signal.
            await manager.wait_for("READY=1", WATCHDOG_S)
        assert list(fleet.boards) == list(fleet.at_work) == ["a"]
        assert daemon.problems[-1] == ""


async def test_a_configuration_that_can_not_be_read_holds_up_neither_the_manager_nor_the_next_reload(
    tmp_path: Path, manager: Manager, mock_clock: trio.testing.MockClock
) -> None:
    mock_clock.rate = SPEED
    async with running(tmp_path, manager, "a") as daemon:
        # A directory of groups that does not answer.
        with hanging() as daemon.before_reading:
            daemon.wanted = config_for(tmp_path, "a", "b")
            for _ in range(2):
                daemon.reloader.ask()
                await manager.wait_for("READY=1", WATCHDOG_S)
                assert daemon.problems[-1] == (
                    "the configuration could not be read within 20 s: its disk or the directory of groups hangs"
                )
                assert list(daemon.fleet.boards) == ["a"]
        daemon.before_reading = lambda: None
        daemon.reloader.ask()
        await manager.wait_for("READY=1", WATCHDOG_S)
        assert list(daemon.fleet.boards) == ["a", "b"]


async def test_the_port_of_a_board_that_can_not_be_closed_yet_is_had_at_once_by_who_gets_it(
    tmp_path: Path, manager: Manager, terminal: BoardTerminal
) -> None:
    async with running(tmp_path, manager, f"b={terminal.path}", "c") as daemon:
        fleet = daemon.fleet
        with trio.fail_after(WATCHDOG_S):
            while fleet.boards["b"].publisher.summary.state != "connected":
                await trio.testing.wait_all_tasks_blocked()
        with hanging() as read:
            # Its disk does not answer: it keeps its lock.
            fleet.boards["b"].parts.disk.submit(read, raise_it)
            daemon.wanted = config_for(tmp_path, f"c={terminal.path}")
            daemon.reloader.ask()
            # A port that somebody else holds is tried again after 5 s.
            with trio.fail_after(3):
                while fleet.boards["c"].publisher.summary.state != "connected":
                    await trio.testing.wait_all_tasks_blocked()
            assert "b" in fleet.at_work
        await manager.wait_for("READY=1", WATCHDOG_S)
