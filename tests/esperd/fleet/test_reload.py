"""What a reload does when something fails or hangs in the middle of it."""

import dataclasses
import logging
import os
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from typing_extensions import override

from esperd.assembly import daemon_record, make_decoding, open_store
from esperd.configuration.config import Config
from esperd.fleet.fleet import Fleet
from esperd.fleet.reload import Reloader
from esperd.hooks.crash_hooks import CrashHooks
from esperd.server.registry import Registry
from esperd.service.manager import ServiceManager
from esperd.service.watchdog import Watchdog
from esperd.settings import Limits
from esperd.storage.orphans import Orphans
from esperd.testing.boards import config_for

WATCHDOG_S = 60.0
# Of the clock: a reload waits 10 s, the watchdog 20 s.
SPEED = 30


class Manager:
    """The service manager's end."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._receiver.bind(self.address)
        self._receiver.setblocking(False)

    async def wait_for(self, message: str) -> None:
        with trio.fail_after(WATCHDOG_S):
            while await self.receive() != message:
                pass

    async def receive(self) -> str:
        await trio.lowlevel.wait_readable(self._receiver)
        return self._receiver.recv(1000).decode().partition("\n")[0]

    def close(self) -> None:
        self._receiver.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


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

    def __init__(self, config: Config, fleet: Fleet, reloader: Callable[["Running"], Reloader]) -> None:
        self.wanted = config
        self.fleet = fleet
        self.problems: list[str] = []
        self.reloader = reloader(self)


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
            return Reloader(
                config, lambda _: daemon.wanted, fleet, registry, hooks, service, daemon.problems.append, disks, owners
            )

        daemon = Running(config, fleet, make)
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
    held, release = os.pipe()
    complaint = Listening("watchdog waits part=disk board=b")
    caplog.handler.addFilter(complaint)
    async with running(tmp_path, manager, "a", "b") as daemon:
        fleet, both = daemon.fleet, daemon.wanted
        # Its disk does not answer.
        fleet.boards["b"].parts.disk.submit(partial(os.read, held, 1), pytest.fail)  # type: ignore[arg-type]  # what it returns is of no interest
        daemon.wanted = config_for(tmp_path, "a")
        daemon.reloader.ask()
        await manager.wait_for("READY=1")
        assert daemon.problems[-1] == "board b is still being closed: its disk does not answer, or its port"
        assert (list(fleet.boards), sorted(fleet.at_work)) == (["a"], ["a", "b"])

        # Nobody takes it for a daemon that is well.
        with trio.fail_after(WATCHDOG_S):
            await complaint.heard.wait()
        # The next one goes on, too, but for this board.
        daemon.wanted = dataclasses.replace(both, boards=(*both.boards, *config_for(tmp_path, "c").boards))
        daemon.reloader.ask()
        await manager.wait_for("READY=1")
        assert list(fleet.boards) == ["a", "c"]

        # And when the disk answers, all is as the file says without another signal.
        os.write(release, b"!")
        await manager.wait_for("READY=1")
        assert sorted(fleet.boards) == sorted(fleet.at_work) == ["a", "b", "c"]
        assert daemon.problems[-1] == ""
        await manager.wait_for("WATCHDOG=1")
    os.close(held)
    os.close(release)


async def test_what_fails_in_the_middle_is_made_good_by_the_next_reload(
    tmp_path: Path, manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, manager, "a", "b") as daemon:
        # An error of ours: nothing lets a level through that logging does not know.
        daemon.wanted = dataclasses.replace(config_for(tmp_path, "a", "c"), log_level="bogus")
        daemon.reloader.ask()
        await manager.wait_for("READY=1")
        assert "reload failed" in caplog.text
        assert daemon.problems[-1].startswith("esperd failed: ValueError: ")
        daemon.wanted = config_for(tmp_path, "a", "c")
        daemon.reloader.ask()
        await manager.wait_for("READY=1")
        assert list(daemon.fleet.boards) == ["a", "c"]
        assert daemon.problems[-1] == ""
