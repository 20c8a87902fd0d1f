"""Logging of the daemon itself: to standard error (the service manager keeps it) and to a file that is rotated.

What boards say is never logged here; it is data, in the journal.

Whoever logs never waits: a pipe that nobody reads and a disk that hangs would otherwise stop the event loop, and every
board with it. So each of the two places has a thread of its own that writes, which trio's threads can't be: lines are
also logged before the loop runs and after it has ended. The thread belongs to the ``with`` block of ``DaemonLog.open``.
One that hangs in a write can't be ended by anybody; the process ends without it (``is_stuck``).
"""

import faulthandler
import logging
import logging.handlers
import queue
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from esperd.daemon_log.places import FilePlace, Place, StreamPlace
from esperd.storage.files import Access, make_directory

_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"
# Lines that wait for a place that takes none; more are dropped, and counted.
_WAITING_LINES: Final = 1000
# How long the end of the process waits for the last lines.
_LAST_LINES_S: Final = 1.0


def log_path(log_dir: Path, name: str) -> Path:
    """Where the log of the daemon whose socket is called *name* is."""
    return log_dir / f"{name}.log"


def fault_log_path(log_dir: Path, name: str) -> Path:
    """Where the interpreter writes the stacks of a native crash."""
    return log_dir / f"{name}.fault.log"


class DaemonLog:
    """The log of this process.

    ``is_stuck`` after the end says that a place took no more lines: a thread hangs in a write to it and holds its lock,
    for which the interpreter would wait as it ends.
    """

    def __init__(self) -> None:
        self.is_stuck = False

    @contextmanager
    def open(self, log_dir: Path, name: str, level: str, access: Access) -> Generator[None]:
        """Logs until the end of the block, and then writes what waits; records native crashes from now on.

        Raises:
            OSError: the log's directory can't be written.
        """
        if not log_dir.is_dir():  # else the service manager made it, or it was looked at with all that is kept
            make_directory(log_dir, access)
        file = FilePlace(log_path(log_dir, name))
        # Open for as long as the process lives: it must be there at a moment when nothing can be opened any more.
        fault_log = fault_log_path(log_dir, name).open("a", encoding="utf-8")
        faulthandler.enable(fault_log)
        writers = (LogWriter(StreamPlace(sys.stderr), "standard error"), LogWriter(file, "the log file"))
        entrances = [writer.entrance for writer in writers]
        # The places put the time and all else before it.
        logging.basicConfig(level=level.upper(), format="%(message)s", handlers=entrances, force=True)
        for writer in writers:
            writer.start()
        try:
            yield
        finally:
            for writer in writers:
                if writer.finish(time.monotonic() + _LAST_LINES_S):
                    logging.getLogger().removeHandler(writer.entrance)
                else:
                    # Its entrance stays: without any, a later line would be written to standard error at once.
                    self.is_stuck = True


class LogWriter:
    """Writes to one place, in a thread between ``start`` and ``finish``; what it is to write enters at ``entrance``.

    Args:
        place: Where lines go; may block, or refuse them.
        name: Of the place, for people.
    """

    def __init__(self, place: Place, name: str) -> None:
        place.setFormatter(logging.Formatter(_FORMAT))
        self._place = place
        self._lines = _Lines(place, name)
        self._thread = logging.handlers.QueueListener(self._lines, place)
        self.entrance = logging.handlers.QueueHandler(self._lines)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def finish(self, give_up_at: float) -> bool:
        """Writes what waits, and ends the thread; False when the place takes nothing until *give_up_at* (monotonic)."""
        if not self._lines.finish(give_up_at):
            return False
        self._thread.stop()
        self._place.close()
        return True


class _Lines:
    """What waits for one place. Whoever puts a line never waits; those that there is no room for are counted.

    Those that the place refused are told with them, when it takes lines again.
    """

    def __init__(self, place: Place, name: str) -> None:
        self._place = place
        self._name = name
        self._queue: queue.Queue[logging.LogRecord | None] = queue.Queue(_WAITING_LINES)
        self._ended = queue.SimpleQueue[None]()
        # Each changed by one side only: by those who put (under the lock of their handler), and by the thread.
        self._dropped = 0
        self._told = 0
        # How many the line that was given out last tells of.
        self._telling = 0

    def put_nowait(self, line: logging.LogRecord | None) -> None:
        """Takes a line, or counts it."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def get(self, block: bool = True) -> logging.LogRecord | None:
        """In the thread: the next line; None for the end, which is asked for when all before it was written."""
        place = self._place
        if self._telling and not place.takes:
            # It was refused, and counted as one more that was.
            self._told -= self._telling - 1
        self._telling = 0
        dropped = self._dropped + place.refused - self._told
        if dropped and place.takes and self._queue.empty():
            self._told += dropped
            self._telling = dropped
            text = "log lines dropped count=%d: %s took none"
            return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (dropped, self._name), None)
        line = self._queue.get(block)
        if line is None:
            self._ended.put(None)
        return line

    def finish(self, give_up_at: float) -> bool:
        """Ends the thread behind what waits; False when that takes too long."""
        try:
            self._queue.put(None, timeout=_left_s(give_up_at))
            self._ended.get(timeout=_left_s(give_up_at))
        except (queue.Full, queue.Empty):
            return False
        return True


def _left_s(give_up_at: float) -> float:
    return max(give_up_at - time.monotonic(), 0.0)
