"""The board that is followed: its connections, and the tasks of the effects that concern it."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from esper_protocol import messages as requests
from esper_protocol.records import CoredumpRecord
from esperctl.errors import EsperctlError, RequestError
from esperctl.viewer import effects
from esperctl.viewer.connection.history import History
from esperctl.viewer.connection.live import Live, ReadingPlace
from esperctl.viewer.connection.outbox import Outbox
from esperctl.viewer.connection.saving import create_file, not_written
from esperctl.viewer.connection.scans import scan
from esperctl.viewer.messages import CoredumpFetched, CoredumpsListed, EffectDone, EffectFailed, Message

_RAW_DUMP: Final = "core.b64"
_BREAK_S: Final = 0.25


def failed(effect: effects.Effect, error: EsperctlError) -> EffectFailed:
    """What the model is told of an effect that ended in *error*."""
    code = error.code if isinstance(error, RequestError) else "failed"
    return EffectFailed(effect, code, error.message, error.hint)


class FollowedBoard:
    """Follows a board from the start on.

    Args:
        socket: Of its daemon.
        board: Its name.
        reading: Where the user wants to begin to read.
        interactive: Whether to ask for the write lease.
        tasks: Where everything runs.
        tell: Takes the messages for the model.
    """

    def __init__(
        self,
        socket: str,
        board: str,
        reading: ReadingPlace,
        *,
        interactive: bool,
        tasks: asyncio.TaskGroup,
        tell: Callable[[Message], None],
    ) -> None:
        self._tasks = tasks
        self._tell = tell
        self._is_left = False
        self._live = Live(socket, board, interactive=interactive, tell=self._tell_of_board, reading=reading)
        self._outbox = Outbox(self._live, tell)
        self._history = History(socket, board)
        self._working: dict[asyncio.Task[None], effects.Effect] = {}
        self._task = tasks.create_task(self._run())

    def start(self, effect: effects.Effect) -> None:
        """Begins to carry out an effect that concerns the board; what it comes to is told."""
        match effect:
            case effects.SendToBoard():
                self._outbox.put(effect)
            case effects.AskForLease():
                self._live.interactive = effect.wanted
            case effects.StartScan():
                self._start_scan(effect)
            case effects.StopScan():
                self._stop_scans(lambda other: other.scan == effect.scan)
            case _:
                self._work(effect, self._tasks.create_task(self._carry_out(effect)))

    def stop(self) -> None:
        """Ends the connections, and whatever else is under way."""
        for task in (self._task, *self._working):
            task.cancel()

    async def emptied(self) -> None:
        """Waits until what was typed has reached the board. No deadline here: the caller sets one."""
        await self._outbox.emptied()

    async def leave(self, timeout_s: float) -> None:
        """Ends as ``stop`` does, when what was typed has reached the board, but not much later than a deadline.

        No event is told any more; what was not answered yet is told to have failed, but for pages: nobody waits for
        pages of a log that is left.
        """
        self._is_left = True
        for task, effect in list(self._working.items()):
            task.cancel()
            if not isinstance(effect, effects.FetchPage):
                self._tell(EffectFailed(effect, "failed", "the board was switched"))
        try:
            async with asyncio.timeout(timeout_s):
                await self.emptied()
        except TimeoutError:
            error = f"not all that was typed has reached {self._live.board}: the board was switched"
            self._tell(EffectFailed(effects.SendToBoard(b""), "failed", error))
        finally:
            self.stop()

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._live.run())
                tasks.create_task(self._outbox.run())
        finally:
            await self._history.close()

    def _tell_of_board(self, message: Message) -> None:
        if not self._is_left:
            self._tell(message)

    def _work(self, effect: effects.Effect, task: asyncio.Task[None]) -> None:
        self._working[task] = effect
        task.add_done_callback(lambda done: self._working.pop(done, None))

    def _start_scan(self, start: effects.StartScan) -> None:
        self._stop_scans(lambda other: other.purpose == start.purpose)
        scanning = scan(start, self._live.socket, self._live.board, self._tell_of_board)
        self._work(start, self._tasks.create_task(scanning))

    def _stop_scans(self, are_meant: Callable[[effects.StartScan], bool]) -> None:
        for task, effect in list(self._working.items()):
            if isinstance(effect, effects.StartScan) and are_meant(effect):
                # Nobody waits for its answer any more.
                del self._working[task]
                task.cancel()

    async def _carry_out(self, effect: effects.Effect) -> None:
        try:
            self._tell(await self._message(effect))
        except EsperctlError as error:
            self._tell(failed(effect, error))

    async def _message(self, effect: effects.Effect) -> Message:
        match effect:
            case effects.FetchPage():
                # The model's log is that of the board before, until then.
                await self._live.attached()
                return await self._history.fetch(effect)
            case effects.ListCoredumps():
                return CoredumpsListed(tuple(await self._coredumps()))
            case effects.FetchCoredump():
                details = await self._live.request(requests.CoredumpInfo(effect.id), requests.CoredumpDetails)
                return CoredumpFetched(details.record, tuple(details.files), details.report)
            case effects.DecodeCoredump():
                await self._live.request(requests.DecodeCoredump(effect.id), requests.DecodeJob)
                return EffectDone(effect)
            case effects.SaveCoredump():
                return EffectDone(effect, await self._save_coredump(effect.id))
            case _:
                await self._live.request(self._request(effect), requests.Done)
                return EffectDone(effect)

    def _request(self, effect: effects.Effect) -> requests.RequestBody:
        board = self._live.board
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
            part = await self._live.request(requests.ListCoredumps(self._live.board, after), requests.Coredumps)
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
                    part = await self._live.request(request, requests.FileData)
                    file.write(part.data)
                    offset += len(part.data)
                    # An empty part that is not the last would be asked for again and again.
                    last = part.last or not part.data
            is_complete = True
        except OSError as error:
            raise not_written(path, error) from error
        finally:
            if not is_complete:
                with contextlib.suppress(OSError):
                    path.unlink()
        return str(path)
