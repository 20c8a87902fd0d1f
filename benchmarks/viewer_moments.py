"""The viewer over a long time and at its edges: memory, a silent board, the start, a long way to catch up."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks import processes
from benchmarks.consumers import Terminal, daemon, open_terminals
from benchmarks.journals import journal_bytes
from benchmarks.loads import CorpusFiles, Load, Metrics, writing
from benchmarks.screens import Screen, drain_for, open_screen
from benchmarks.streams import RawReceiver, Receiver, Stream, drain
from benchmarks.viewers import Size

_BAUD: Final = 3_000_000
_SIZE: Final = Size(160, 50)
_STEPS: Final = 10
_FIRST_LINES: Final = 2_000
_PAGES: Final = 40
# The search for what happened before is over, and the daemon has written what it had.
_REST_S: Final = 2.5
_DISK_S: Final = 0.05
_PAUSE_S: Final = 0.05
_TIMEOUT_S: Final = 600.0
# Letters that no log has.
_OLDEST: Final = "Ю"
_NEWEST: Final = "Ж"
_BOX: Final = "┌".encode()
_PREFIX: Final = b"\x14"
_CLOSE: Final = b"\x03"
_FOLLOW: Final = b"G"
_BACK: Final = b"\r"
_PAGE_UP: Final = b"\x1b[5~"
_HOME: Final = b"\x1b[H"


class _Board:
    """A board that says lines as fast as the daemon reads them, with a viewer or none."""

    def __init__(self, terminal: Terminal, path: Path, scratch: Path) -> None:
        self.path = path
        self.scratch = scratch
        self._terminal = terminal
        # What the daemon sends is of no interest, but must be read.
        self._ear = RawReceiver(terminal.master, Stream(is_tagged=False))

    def say(self, files: CorpusFiles, lines: int, screen: Screen | None = None) -> None:
        """Says about so many lines, again from the first where there are too few; with a viewer, until it has them."""
        data_bytes = len(files.corpus.data)
        size_bytes = lines * data_bytes // len(files.corpus.tag_ends)
        while size_bytes > 0:
            self._say(files, min(size_bytes, data_bytes), screen)
            size_bytes -= data_bytes
        if screen is not None:
            screen.settle([self._ear])

    def _say(self, files: CorpusFiles, size_bytes: int, screen: Screen | None) -> None:
        seen: list[Receiver] = [self._ear] if screen is None else [self._ear, screen]
        with tempfile.NamedTemporaryFile(dir=self.scratch) as times:
            times.truncate(8 * len(files.corpus.tag_ends))
            with writing(Load(files, size_bytes), [self._terminal], Path(times.name)) as report:
                drain([*seen, report], lambda: report.report is not None, _TIMEOUT_S)
        # What the disk does not take for too long is a gap, and not many lines.
        journal_size = -1
        while journal_size != (journal_size := journal_bytes(self.scratch / "state")):
            drain_for(seen, _DISK_S)

    def say_sign(self, sign: str) -> None:
        """One more line, which nothing else is like."""
        os.set_blocking(self._terminal.master, True)
        os.write(self._terminal.master, f"\r\n{sign * 8}\r\n".encode())


@contextmanager
def _board(directory: Path) -> Generator[_Board]:
    with (
        tempfile.TemporaryDirectory(dir=directory) as scratch,
        open_terminals(1) as terminals,
        daemon(terminals, Path(scratch), _BAUD) as (_, path),
    ):
        yield _Board(terminals[0], path, Path(scratch))


# Memory ---------------------------------------------------------------------------------------------------


def _follow(screen: Screen) -> None:
    del screen


def _scroll_back(screen: Screen) -> None:
    screen.press(_PREFIX + _PAGE_UP + _BACK)


def _use_everything(screen: Screen) -> None:
    """A search over all, a filter, and a way through the history."""
    screen.press(_PREFIX + b"/full\r")
    screen.settle()
    screen.press(b"f *:W\r")
    screen.settle()
    for _ in range(_PAGES):
        screen.press(_PAGE_UP)
        drain_for([screen], _PAUSE_S)
    screen.press(_HOME)
    screen.settle()
    screen.press(_FOLLOW + _BACK)


USES: Final[dict[str, Callable[[Screen], None]]] = {
    "following": _follow,
    "scrolled-back": _scroll_back,
    "everything": _use_everything,
}


def memory(use: Callable[[Screen], None], files: CorpusFiles, lines: int, directory: Path) -> Metrics:
    """So many lines as fast as the daemon takes them, with the viewer used as *use* says, first and after the half.

    Returns:
        ``first_mb`` after a tenth, ``half_mb``, ``last_mb``: resident memory; ``growth_mb``: by how much that after any
        later tenth is above that of the half; ``seconds`` until the viewer had taken all.
    """
    samples: list[float] = []
    with _board(directory) as board:
        board.say(files, _FIRST_LINES)
        with open_screen(board.path, board.scratch, *_SIZE) as screen:
            screen.settle()
            started = time.monotonic()
            for number in range(_STEPS):
                if number in (0, _STEPS // 2):
                    use(screen)
                board.say(files, lines // _STEPS, screen)
                samples.append(processes.resident_memory_mb(screen.pid))
            seconds = time.monotonic() - started
    half = samples[_STEPS // 2 - 1]
    return {
        "first_mb": samples[0],
        "half_mb": half,
        "last_mb": samples[-1],
        "growth_mb": max(samples[_STEPS // 2 :]) - half,
        "seconds": seconds,
    }


# Rest and start -------------------------------------------------------------------------------------------


def idle(directory: Path, seconds: float) -> Metrics:
    """A silent board: ``wakeups_per_s`` and ``cpu_ms_per_s`` of the viewer."""
    with _board(directory) as board, open_screen(board.path, board.scratch, *_SIZE) as screen:
        screen.settle()
        drain_for([screen], _REST_S)
        switches, cpu_ns = processes.context_switches(screen.pid), processes.cpu_ns(screen.pid)
        drain_for([screen], seconds)
        return {
            "wakeups_per_s": processes.wakeups(switches, processes.context_switches(screen.pid)) / seconds,
            "cpu_ms_per_s": (processes.cpu_ns(screen.pid) - cpu_ns) / 1e6 / seconds,
        }


def start(files: CorpusFiles, directory: Path) -> Metrics:
    """``wall_ms`` from the start of the process until the newest line is on the screen, and ``cpu_ms`` until then."""
    with _board(directory) as board:
        board.say(files, _FIRST_LINES)
        board.say_sign(_NEWEST)
        drain_for([], _REST_S)
        # Once before, so that it is compiled.
        _start(board)
        return _start(board)


def _start(board: _Board) -> Metrics:
    started = time.monotonic()
    with open_screen(board.path, board.scratch, *_SIZE) as screen:
        wall_s = _moment(screen, _NEWEST) - started
        return {"wall_ms": wall_s * 1000, "cpu_ms": processes.cpu_ns(screen.pid) / 1e6}


def _moment(screen: Screen, sign: str) -> float:
    """When a sign is on the screen (monotonic seconds).

    Raises:
        TimeoutError: it never is.
    """
    moment = screen.await_sign(sign.encode(), (), _TIMEOUT_S)
    if moment is None:
        raise TimeoutError(f"the viewer never showed {sign}")
    return moment


# A long journal -------------------------------------------------------------------------------------------


def from_the_oldest(files: CorpusFiles, lines: int, directory: Path) -> Metrics:
    """``attach --after 0`` where the journal has so many lines.

    Returns:
        ``oldest_ms`` from the start of the process until the oldest line is on the screen, ``newest_ms`` from the key
        for the end until the newest one is.
    """
    with _board(directory) as board:
        board.say_sign(_OLDEST)
        board.say(files, lines)
        board.say_sign(_NEWEST)
        started = time.monotonic()
        with open_screen(board.path, board.scratch, *_SIZE, options=["--after", "0"]) as screen:
            oldest_s = _moment(screen, _OLDEST) - started
            newest_s = screen.time_of(_PREFIX + _FOLLOW, _NEWEST.encode())
            return {"oldest_ms": oldest_s * 1000, "newest_ms": newest_s * 1000}


def catch_up(files: CorpusFiles, lines: int, directory: Path) -> Metrics:
    """A viewer that stood still while the board said so many lines: as in a notebook that was closed.

    Returns:
        ``seconds`` until the newest line is on the screen; ``keys`` that were pressed meanwhile, ``p50_ms`` and
        ``max_ms`` of their answers.
    """
    with _board(directory) as board, open_screen(board.path, board.scratch, *_SIZE) as screen:
        screen.settle()
        os.kill(screen.pid, signal.SIGSTOP)
        board.say(files, lines)
        board.say_sign(_NEWEST)
        drain_for([], _REST_S)
        started = time.monotonic()
        os.kill(screen.pid, signal.SIGCONT)
        times = _keys_until(screen, _NEWEST)
        return {
            "seconds": time.monotonic() - started,
            "keys": float(len(times)),
            "p50_ms": times[len(times) // 2] * 1000,
            "max_ms": times[-1] * 1000,
        }


def _keys_until(screen: Screen, sign: str) -> list[float]:
    """The times of keys (seconds), sorted, until *sign* is on the screen."""
    times: list[float] = []
    give_up_at = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < give_up_at:
        times.append(screen.time_of(_PREFIX + b"t", _BOX))
        screen.press(_CLOSE)
        if screen.await_sign(sign.encode(), (), _PAUSE_S) is not None:
            return sorted(times)
    raise TimeoutError("the viewer never caught up")
