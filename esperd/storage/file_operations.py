"""What is to be done to the files of a board's core dumps, as far as its disk has not done it yet.

The operations of one dump run in order, and none is left out: when the disk as a whole takes nothing, they wait and are
tried again, so each of them must bear to be run again after it failed half way. What waits is bounded; what is over the
limit is refused.
"""

import errno
import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

_log: Final = logging.getLogger(__name__)

# What an operation holds beside its data.
_OVERHEAD_BYTES: Final = 512
# Errors of a disk, or of the machine, that may pass; all others concern the file, and are told at once.
_PASSING: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)


@dataclass(frozen=True, slots=True)
class FileOperation:
    """One operation, and who is told on the loop that it was done, or why it was not.

    Args:
        coredump_id: Operations of the same dump run in order, and wait for a disk that refuses. Without, it is told.
        data_bytes: What it holds in memory. Without any it has a place also over the limit: it is to make room.
    """

    run: Callable[[], None]
    on_error: Callable[[OSError], None]
    on_done: Callable[[], None] | None
    coredump_id: str | None
    data_bytes: int

    @property
    def size_bytes(self) -> int:
        """What it counts for."""
        return _OVERHEAD_BYTES + self.data_bytes


@dataclass(frozen=True, slots=True)
class _Outcome:
    over: list[tuple[FileOperation, OSError | None]]
    kept: list[FileOperation]
    refusal: OSError | None


class FileOperations:
    """Those of one board.

    ``refusal`` is why some wait longer than for their turn, until ``retry_at``; ``was_over_limit`` whether one was
    refused; ``trouble`` what is known to be wrong with the disk, journal included.

    Args:
        name: For the log.
        max_waiting_bytes: What may wait.
        retry_s: How long a disk that refuses is left alone.
    """

    def __init__(self, name: Path, max_waiting_bytes: int, retry_s: float) -> None:
        self._name = name
        self._max_waiting_bytes = max_waiting_bytes
        self._retry_s = retry_s
        self._waiting: deque[FileOperation] = deque()
        self._bytes = 0
        self._over_limit: deque[FileOperation] = deque()
        self._limit_passed = trio.Event()
        self.refusal: OSError | None = None
        self.retry_at = math.inf
        self.was_over_limit = False
        self.trouble: OSError | None = None

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def is_due(self) -> bool:
        """Whether there is something that the disk was not asked for yet."""
        return bool(self._waiting) and self.refusal is None

    def submit(self, operation: FileOperation) -> bool:
        """Takes an operation; False when too much waits: then it is told so, but not from here."""
        if operation.data_bytes and self._bytes + operation.size_bytes > self._max_waiting_bytes:
            self._over_limit.append(operation)
            self._limit_passed.set()
            self.was_over_limit = True
            return False
        self._bytes += operation.size_bytes
        self._waiting.append(operation)
        return True

    async def refuse(self) -> None:
        """Tells those that were one too many, while the thread may hang for ever. Runs until cancelled."""
        while True:
            await self._limit_passed.wait()
            self._limit_passed = trio.Event()
            self._tell_refused()

    async def work(self, *, is_last: bool = False) -> None:
        """Runs what waits; while the disk refuses only when it is time to try again, or never more after this."""
        if not self._waiting or (trio.current_time() < self.retry_at and self.refusal is not None and not is_last):
            return
        operations, self._waiting = self._waiting, deque[FileOperation]()
        outcome = await trio.to_thread.run_sync(self._run, operations)
        self._waiting.extendleft(reversed(outcome.kept))
        self.refusal = outcome.refusal
        self.retry_at = math.inf if outcome.refusal is None else trio.current_time() + self._retry_s
        for operation, error in outcome.over:
            self._bytes -= operation.size_bytes
            self._tell(operation, error)

    async def give_up(self) -> list[str]:
        """Tells those that still wait that the disk refuses them, and tries once what their owners make of it.

        Returns the dumps that they are of.
        """
        coredumps = {operation.coredump_id for operation in self._waiting if operation.coredump_id is not None}
        self._tell_refused()
        self._tell_waiting()
        await self.work(is_last=True)
        self._tell_waiting()
        return sorted(coredumps)

    def _run(self, operations: deque[FileOperation]) -> _Outcome:
        """In the thread; touches nothing of the loop's."""
        over: list[tuple[FileOperation, OSError | None]] = []
        kept: list[FileOperation] = []
        refusal: OSError | None = None
        refused: set[str] = set()
        for operation in operations:
            if operation.coredump_id in refused:
                kept.append(operation)
                continue
            try:
                operation.run()
                over.append((operation, None))
            except OSError as error:
                if operation.coredump_id is None or error.errno not in _PASSING:
                    over.append((operation, error))
                    continue
                refused.add(operation.coredump_id)
                kept.append(operation)
                refusal = refusal or error
            except Exception as error:  # noqa: BLE001 - an error of ours costs this operation, and not the others
                _log.exception("file operation failed journal=%s", self._name)
                over.append((operation, OSError(errno.EIO, f"esperd failed: {error}")))
        return _Outcome(over, kept, refusal)

    @property
    def _why(self) -> OSError:
        return self.refusal or self.trouble or OSError(errno.EBUSY, "the disk does not answer")

    def _tell_refused(self) -> None:
        while self._over_limit:
            self._tell(self._over_limit.popleft(), self._why)

    def _tell_waiting(self) -> None:
        operations, self._waiting = self._waiting, deque[FileOperation]()
        for operation in operations:
            self._bytes -= operation.size_bytes
            self._tell(operation, self._why)

    def _tell(self, operation: FileOperation, error: OSError | None) -> None:
        try:
            if error is not None:
                operation.on_error(error)
            elif operation.on_done is not None:
                operation.on_done()
        except Exception as told:  # noqa: BLE001 - an error in telling one costs the others nothing
            _log.error("file operation not told journal=%s", self._name, exc_info=told)
