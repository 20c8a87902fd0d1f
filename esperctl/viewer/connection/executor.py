"""Carries out what the model asks for, and tells it what came of it."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from esper_protocol import messages as requests
from esper_protocol.records import CoredumpRecord
from esperctl.errors import EsperctlError, NoDaemonError, RequestError
from esperctl.viewer import effects
from esperctl.viewer.connection.boards import list_boards
from esperctl.viewer.connection.history import History
from esperctl.viewer.connection.live import THE_END, Live, ReadingPlace
from esperctl.viewer.connection.outbox import Outbox
from esperctl.viewer.connection.saving import create_file, save
from esperctl.viewer.connection.scans import scan
from esperctl.viewer.messages import (
    BoardsListed,
    CoredumpFetched,
    CoredumpsListed,
    EffectDone,
    EffectFailed,
    Message,
)

_RAW_DUMP: Final = "core.b64"
_BREAK_S: Final = 0.25


class Executor:
    """Owns the connections to the board that is followed, and the tasks of the effects.

    Args:
        tasks: Where they run.
        tell: Takes the messages for the model.
        copy: Puts text on the clipboard; False when it is too large for one.
        leave: Ends the viewer.
        socket: The only socket to look for boards at, or None.
        interactive: Whether to ask for the write lease.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        tell: Callable[[Message], None],
        copy: Callable[[str], bool],
        leave: Callable[[int], None],
        *,
        socket: str | None,
        interactive: bool,
    ) -> None:
        self._tasks = tasks
        self._tell = tell
        self._copy = copy
        self._leave = leave
        self._socket = socket
        self._interactive = interactive
        self._board: _FollowedBoard | None = None
        self._scans: dict[str, tuple[int, asyncio.Task[None]]] = {}
        self._working: set[asyncio.Task[None]] = set()

    def follow(self, socket: str, board: str, reading: ReadingPlace = THE_END) -> None:
        """Follows this board, and no other one any more."""
        self.stop()
        live = Live(socket, board, interactive=self._interactive, tell=self._tell, reading=reading)
        self._board = _FollowedBoard(live, self._tasks, self._tell)

    async def finish(self, timeout_s: float) -> None:
        """Waits until what was typed has reached the board, but not for long."""
        if self._board is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._board.outbox.emptied()

    def stop(self) -> None:
        """Ends the connections, the scans, and whatever else is under way."""
        for task in (*(task for _, task in self._scans.values()), *self._working):
            task.cancel()
        self._scans.clear()
        if self._board is not None:
            self._board.stop()
            self._board = None

    def start(self, effect: effects.Effect) -> None:
        """Begins to carry out an effect; what it comes to is told."""
        match effect:
            case effects.SwitchBoard():
                self.follow(effect.socket, effect.board)
            case effects.StopScan():
                self._stop_scan(effect.scan)
            case effects.Leave():
                self._leave(effect.exit_code)
            case effects.SendToBoard() if self._board is not None:
                self._board.outbox.put(effect)
            case effects.StartScan() if self._board is not None:
                self._start_scan(effect, self._board)
            case _:
                task = self._tasks.create_task(self._carry_out(effect))
                self._working.add(task)
                task.add_done_callback(self._working.discard)

    def _start_scan(self, start: effects.StartScan, board: "_FollowedBoard") -> None:
        if (before := self._scans.pop(start.purpose, None)) is not None:
            before[1].cancel()
        task = self._tasks.create_task(scan(start, board.live.socket, board.live.board, self._tell))
        self._scans[start.purpose] = (start.scan, task)

    def _stop_scan(self, number: int) -> None:
        for scan_number, task in self._scans.values():
            if scan_number == number:
                task.cancel()

    async def _carry_out(self, effect: effects.Effect) -> None:
        try:
            self._tell(await self._message(effect))
        except EsperctlError as error:
            code = error.code if isinstance(error, RequestError) else "failed"
            self._tell(EffectFailed(effect, code, error.message, error.hint))

    async def _message(self, effect: effects.Effect) -> Message:
        match effect:
            case effects.ListBoards():
                return BoardsListed(await list_boards(self._socket))
            case effects.CopyText():
                if self._copy(effect.text):
                    return EffectDone(effect)
                return EffectDone(effect, str(save(effect.name, effect.text.encode())))
            case effects.SaveText():
                return EffectDone(effect, str(save(effect.name, effect.text.encode())))
            case _:
                if self._board is None:
                    raise NoDaemonError("no board is followed yet", "choose one")
                return await self._board.message(effect)


class _FollowedBoard:
    """One board's connections and the tasks that go with them."""

    def __init__(self, live: Live, tasks: asyncio.TaskGroup, tell: Callable[[Message], None]) -> None:
        self.live = live
        self.outbox = Outbox(live, tell)
        self._history = History(live.socket, live.board)
        self._task = tasks.create_task(self._run())

    def stop(self) -> None:
        """Ends the connections."""
        self._task.cancel()

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.live.run())
                tasks.create_task(self.outbox.run())
        finally:
            await self._history.close()

    async def message(self, effect: effects.Effect) -> Message:
        """Carries out an effect that concerns the board."""
        match effect:
            case effects.FetchPage():
                return await self._history.fetch(effect)
            case effects.ListCoredumps():
                return CoredumpsListed(tuple(await self._coredumps()))
            case effects.FetchCoredump():
                details = await self.live.request(requests.CoredumpInfo(effect.id), requests.CoredumpDetails)
                return CoredumpFetched(details.record, tuple(details.files), details.report)
            case effects.DecodeCoredump():
                await self.live.request(requests.DecodeCoredump(effect.id), requests.DecodeJob)
                return EffectDone(effect)
            case effects.SaveCoredump():
                return EffectDone(effect, await self._save_coredump(effect.id))
            case _:
                await self.live.request(self._request(effect), requests.Done)
                return EffectDone(effect)

    def _request(self, effect: effects.Effect) -> requests.RequestBody:
        board = self.live.board
        match effect:
            case effects.TakeWriter():
                return requests.TakeWriter(board, effect.steal)
            case effects.ReleaseWriter():
                return requests.ReleaseWriter(board)
            case effects.ResetBoard():
                return requests.Reset(board, effect.bootloader)
            case effects.SendBreak():
                return requests.Break(board, _BREAK_S)
            case effects.AddNote():
                return requests.AddNote(board, effect.text)
            case effects.AbortCapture():
                return requests.AbortCapture(board)
            case effects.CancelDecode():
                return requests.CancelDecode(effect.id)
            case effects.PinCoredump():
                return requests.PinCoredump(effect.id, effect.pinned)
            case _:
                raise NotImplementedError(f"nothing carries out {type(effect).__name__}")

    async def _coredumps(self) -> list[CoredumpRecord]:
        found: list[CoredumpRecord] = []
        after: str | None = None
        while True:
            part = await self.live.request(requests.ListCoredumps(self.live.board, after), requests.Coredumps)
            found += part.coredumps
            if part.next is None:
                return found
            after = part.next

    async def _save_coredump(self, coredump_id: str) -> str:
        path, file = create_file(f"{coredump_id}.b64")
        is_complete = False
        try:
            with file:
                offset, last = 0, False
                while not last:
                    request = requests.ReadCoredumpFile(coredump_id, _RAW_DUMP, offset)
                    part = await self.live.request(request, requests.FileData)
                    file.write(part.data)
                    offset += len(part.data)
                    # An empty part that is not the last would be asked for again and again.
                    last = part.last or not part.data
            is_complete = True
        finally:
            if not is_complete:
                path.unlink(missing_ok=True)
        return str(path)
