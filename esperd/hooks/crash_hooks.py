"""Runs the commands of ``on_crash``: once for each crash, a few at a time, and not for every crash of a boot loop.

A command that fails, or is killed at its deadline, is a ``failure`` event of the board and a line in the log; the
others do not notice. Crashes that are too many, or that come while too many wait for commands that hang, are counted
and told with the next. When the daemon stops, those that run are killed, and what was yet to be told is only in the
journal.
"""

import logging
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec
import trio

from esper_protocol.events import Event, Failure
from esperd.board.board import Board
from esperd.hooks.command import CommandResult, run_command
from esperd.hooks.crash_watch import Crash, CrashWatch
from esperd.hooks.record import CrashRecord, frames_of, make_record
from esperd.settings import HookSettings, Limits

_log: Final = logging.getLogger(__name__)

_HOUR_S: Final = 3600.0
# Crashes of one board whose commands wait or run; there are more only where commands hang.
_WAITING_LIMIT: Final = 16


@dataclass(slots=True)
class _Watched:
    """A board, and what of it was told lately."""

    board: Board
    watch: CrashWatch
    told_at: deque[float] = field(default_factory=deque[float])
    untold: int = 0
    waiting: int = 0
    is_dropping: bool = False


class CrashHooks:
    """All commands of one daemon.

    Args:
        hooks: What is run.
        limits: How many at one time, how often, how long a crash waits.
        socket: Of the daemon, for the commands to ask it.
    """

    def __init__(self, hooks: tuple[HookSettings, ...], limits: Limits, socket: str) -> None:
        self._hooks = hooks
        self._limits = limits
        self._socket = socket
        self._watched: dict[str, _Watched] = {}
        self._ready: deque[tuple[_Watched, Crash]] = deque()
        self._changed = trio.Event()
        self._running = trio.CapacityLimiter(limits.hooks_at_once)
        self._reports = trio.CapacityLimiter(1)

    def configure(self, hooks: tuple[HookSettings, ...], limits: Limits) -> None:
        """Takes other settings; what runs goes on as it was started."""
        self._hooks, self._limits = hooks, limits
        self._running.total_tokens = limits.hooks_at_once
        for watched in self._watched.values():
            watched.watch.wait_s = limits.hook_wait_s
        self._changed.set()

    def watch(self, board: Board) -> None:
        """Watches a board from now on."""
        watched = self._watched[board.name] = _Watched(board, CrashWatch(self._limits.hook_wait_s))
        board.publisher.on_event = partial(self._take, watched)

    def forget(self, board: Board) -> None:
        """Watches it no more."""
        self._watched.pop(board.name, None)

    async def run(self) -> None:
        """Works until cancelled; then no process is left."""
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    self._collect()
                    while self._ready:
                        self._start(*self._ready.popleft(), nursery)
                    deadlines = [watched.watch.deadline for watched in self._watched.values()]
                    with trio.move_on_at(min((at for at in deadlines if at is not None), default=float("inf"))):
                        # Without a deadline while there is no crash: a board may run for years before it does.
                        await self._changed.wait()
                    self._changed = trio.Event()
        finally:
            for watched in self._watched.values():
                if self._hooks and watched.watch.deadline is not None:
                    _log.warning("crash not told, the daemon stops board=%s", watched.board.name)

    def _take(self, watched: _Watched, event: Event) -> None:
        """On the reading path."""
        before, deadline = watched.watch.receive(event, trio.current_time()), watched.watch.deadline
        if before is not None:
            self._ready.append((watched, before))
        if deadline is not None:
            self._changed.set()

    def _collect(self) -> None:
        now = trio.current_time()
        for watched in self._watched.values():
            if (crash := watched.watch.on_deadline(now)) is not None:
                self._ready.append((watched, crash))

    def _start(self, watched: _Watched, crash: Crash, nursery: trio.Nursery) -> None:
        name, now = watched.board.name, trio.current_time()
        hooks = [hook for hook in self._hooks if not hook.boards or name in hook.boards]
        if not hooks:
            return
        while watched.told_at and watched.told_at[0] <= now - _HOUR_S:
            watched.told_at.popleft()
        if len(watched.told_at) >= self._limits.hooks_per_hour:
            watched.untold += 1
            _log.warning("crash not told, too many board=%s untold=%d", name, watched.untold)
            return
        if watched.waiting >= _WAITING_LIMIT:
            self._drop(watched)
            return
        watched.told_at.append(now)
        untold, watched.untold = watched.untold, 0
        watched.waiting, watched.is_dropping = watched.waiting + 1, False
        nursery.start_soon(self._tell, watched, crash, untold, hooks)

    def _drop(self, watched: _Watched) -> None:
        watched.untold += 1
        _log.warning("crash not told, others wait board=%s untold=%d", watched.board.name, watched.untold)
        if not watched.is_dropping:
            watched.is_dropping = True
            # Once for all that follow: a board in a boot loop must not fill its journal with this.
            error = f"a crash is not told: the commands of {watched.waiting} before it have not ended"
            watched.board.publisher.publish(Failure("hook", error, "the next one that is told says how many", None))

    async def _tell(self, watched: _Watched, crash: Crash, untold: int, hooks: list[HookSettings]) -> None:
        board = watched.board
        try:
            document = msgspec.json.encode(await self._record(board, crash, untold)) + b"\n"
            async with trio.open_nursery() as nursery:
                for hook in hooks:
                    nursery.start_soon(self._run, board, hook, document)
        except Exception as error:  # noqa: BLE001 - the supervision point of a crash: it must not end the daemon
            _log.error("crash not told board=%s seq=%d", board.name, crash.seq, exc_info=error)
            board.publisher.publish(Failure("hook", f"esperd failed: {error}", f"seq={crash.seq}", None))
        finally:
            watched.waiting -= 1

    async def _record(self, board: Board, crash: Crash, untold: int) -> CrashRecord:
        record = None if crash.coredump is None else board.parts.store.get(crash.coredump)
        frames = await trio.to_thread.run_sync(
            frames_of, record, crash.report, limiter=self._reports, abandon_on_cancel=True
        )
        return make_record(board, crash, record, frames, untold=untold, socket=self._socket)

    async def _run(self, board: Board, hook: HookSettings, document: bytes) -> None:
        environment = {"ESPER_BOARD": board.name, "ESPER_SOCKET": self._socket}
        program = hook.command[0]
        try:
            async with self._running:
                result = await run_command(hook.command, document, hook.timeout_s, environment)
        except Exception as error:  # noqa: BLE001 - the supervision point of a command: it must not end its neighbours
            _log.error("crash hook failed board=%s program=%s", board.name, program, exc_info=error)
            result = CommandResult(f"esperd failed: {error}", "")
        if not result.error:
            _log.info("crash told board=%s program=%s said=%r", board.name, program, result.tail)
            return
        _log.error(
            "crash hook failed board=%s program=%s error=%s said=%r", board.name, program, result.error, result.tail
        )
        board.publisher.publish(Failure("hook", f"{program}: {result.error}", result.tail, None))
