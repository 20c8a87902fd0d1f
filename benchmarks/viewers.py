"""The viewer (`esperctl attach`): how fast it answers keys while a board talks and its crashes are decoded.

Each key has an effect that nothing else has: the frame of the palette, a letter that no log has.
"""

import math
import os
import random
import select
import statistics
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Final, NamedTuple

import esperd.simulation
from benchmarks import processes
from benchmarks.consumers import Terminal, daemon, open_terminals
from benchmarks.journals import count_events
from benchmarks.loads import CorpusFiles, Load, Metrics, ReportReceiver, writing
from benchmarks.screens import Screen, drain_for, open_screen
from benchmarks.streams import Receiver, read_some
from esper_protocol.events import DecodeFinished

# What makes 300 kB/s.
_BAUD: Final = 3_000_000
BYTES_PER_S: Final = 300_000
_RECORDINGS: Final = Path(esperd.simulation.__file__).parent / "recordings"
_PANIC: Final = b"Guru Meditation Error"
_DUMP_START: Final = b"================= CORE DUMP START"
_DUMP_END: Final = b"================= CORE DUMP END =================\r\n"
# Cyrillic letters: more than a screen has rows, so that none that is awaited is still there.
_LETTERS: Final = tuple(map(chr, range(0x0410, 0x0480)))
_ECHOES: Final = 'include = "[\\u0410-\\u047f]"\n'
_BOX: Final = "┌".encode()
_BELOW: Final = "▼".encode()
_PREFIX: Final = b"\x14"
_PALETTE: Final = _PREFIX + b"t"
_PAGE_UP: Final = _PREFIX + b"\x1b[5~"
_CLOSE: Final = b"\x03"
_FOLLOW: Final = b"G\r"
_SHORTEST_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 0.11
_FULL_S: Final = 0.001
_SEED: Final = 20_261_121


class Size(NamedTuple):
    """Of a terminal."""

    columns: int
    rows: int


def recorded_crash(*, with_dump: bool) -> bytes:
    """A panic, its core dump (or none), and the boot that follows, of the crash that the daemon is shipped with."""
    _, panic, text = (_RECORDINGS / "crash.raw").read_bytes().partition(_PANIC)
    crash = panic + text.partition(_PANIC)[0]
    if with_dump:
        return crash
    before, _, dump = crash.partition(_DUMP_START)
    return before + dump.partition(_DUMP_END)[2]


class Session:
    """A viewer of a board that talks, and the times of its answers by the kind of key (seconds)."""

    def __init__(self, screen: Screen, board: "EchoingBoard", report: ReportReceiver) -> None:
        self.screen = screen
        self.board = board
        self.times: dict[str, list[float]] = {}
        self._report = report
        self._chance = random.Random(_SEED)  # noqa: S311 - moments, not a secret

    @property
    def is_over(self) -> bool:
        """Whether the board has said all."""
        return self._report.report is not None

    @property
    def late_ms(self) -> float:
        """By how much the worst moment of the board's came too late; 0 while it is not over."""
        return self._report.report.late_ms if self._report.report is not None else 0.0

    @property
    def others(self) -> list[Receiver]:
        """What is to be read beside the screen."""
        return [self.board] if self.is_over else [self.board, self._report]

    def pause(self) -> None:
        """Until the next key: any time."""
        drain_for([self.screen, *self.others], self._chance.uniform(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S))

    def time(self, kind: str, keys: bytes, sign: bytes) -> None:
        """Presses keys and waits for their effect, which is *sign*."""
        self.times.setdefault(kind, []).append(self.screen.time_of(keys, sign, self.others))
        self.pause()

    def press(self, keys: bytes) -> None:
        """Presses keys whose effect is not awaited."""
        self.screen.press(keys)
        self.pause()


class EchoingBoard:
    """The board's end of a port: says again, as a line, what it is told; ``heard_at``: when it heard a key last."""

    def __init__(self, terminal: Terminal) -> None:
        self.heard_at = 0.0
        self._descriptor = terminal.master

    def fileno(self) -> int:
        return self._descriptor

    def receive(self) -> bool:
        data = read_some(self._descriptor)
        # The daemon presses Enter when a firmware waits for that before it dumps its core.
        if data != b"\n":
            self.heard_at = time.monotonic()
            self._say(b"\r\n" + data + b"\r\n")
        return bool(data)

    def _say(self, data: bytes) -> None:
        # The writer made the port non-blocking, and may have filled it; what it says meanwhile comes in between.
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                select.select([], [], [], _FULL_S)

    def restart(self) -> None:
        self.heard_at = 0.0


def _use_commands(session: Session) -> None:
    """Keys that are the viewer's: the palette, a letter in it, and a page up in the log."""
    for letter in cycle(_LETTERS):
        if session.is_over:
            return
        session.time("palette", _PALETTE, _BOX)
        session.time("letter", letter.encode(), letter.encode())
        session.press(_CLOSE)
        session.time("scroll", _PAGE_UP, _BELOW)
        session.press(_FOLLOW)


def _type(session: Session) -> None:
    """Keys that are the board's: until they are there, and until its echo is on the screen."""
    for letter in cycle(_LETTERS):
        if session.is_over:
            return
        pressed_at = time.monotonic()
        session.time("echo", letter.encode(), letter.encode())
        session.times.setdefault("board", []).append(session.board.heard_at - pressed_at)


def _watch(session: Session) -> None:
    while not session.is_over:
        session.pause()


def watching(files: CorpusFiles, directory: Path, size: Size, seconds: float) -> Metrics:
    """Nobody presses a key while the board crashes again and again.

    Returns:
        As ``_measure``, without keys.
    """
    return _measure(_watch, files, directory, size, seconds, only_echoes=False)


def commands(files: CorpusFiles, directory: Path, size: Size, seconds: float) -> Metrics:
    """Keys of the viewer while the board crashes again and again, dumps its core, and that is decoded.

    Returns:
        As ``_measure``, of the keys ``palette``, ``letter`` and ``scroll``.
    """
    return _measure(_use_commands, files, directory, size, seconds, only_echoes=False)


def typing(files: CorpusFiles, directory: Path, size: Size, seconds: float) -> Metrics:
    """Keys of the board, whose crashes have no core dump (while one arrives nothing can be typed).

    Its echoes are all that is shown: at this rate a line is gone from a screen before anybody sees it, and the decode
    of a crash would push it off a small one, too.

    Returns:
        As ``_measure``, of the keys ``board`` (until the board has it) and ``echo`` (until its echo is shown).
    """
    return _measure(_type, files, directory, size, seconds, only_echoes=True)


def _measure(
    use: Callable[[Session], None],
    files: CorpusFiles,
    directory: Path,
    size: Size,
    seconds: float,
    *,
    only_echoes: bool,
) -> Metrics:
    """Runs the viewer for so long; *only_echoes*: it shows no other lines, and no decodes.

    Returns:
        ``p50_ms``, ``p99_ms``, ``max_ms`` of all keys and for each kind of key, ``keys``; ``core_percent`` of the
        viewer and ``screen_kb_per_s`` that it wrote to the terminal; ``decodes`` that were finished meanwhile;
        ``peak_mb`` of the viewer; ``writer_late_ms``, by how much the board's worst moment came too late.
    """
    load = Load(files, int(BYTES_PER_S * seconds), _BAUD)
    with (
        tempfile.TemporaryDirectory(dir=directory) as scratch,
        _session(load, Path(scratch), size, only_echoes=only_echoes) as session,
    ):
        screen = session.screen
        drain_for([screen, *session.others], 1.0)
        screen.restart()
        started, cpu_ns = time.monotonic(), processes.cpu_ns(screen.pid)
        use(session)
        wall_s, cpu_ns = time.monotonic() - started, processes.cpu_ns(screen.pid) - cpu_ns
        return {
            **_summary(session.times),
            "core_percent": cpu_ns / 1e9 / wall_s * 100,
            "screen_kb_per_s": screen.size_bytes / 1000 / wall_s,
            "peak_mb": processes.peak_memory_mb(screen.pid),
            "decodes": float(count_events(Path(scratch) / "state", "board0", DecodeFinished)),
            "writer_late_ms": session.late_ms,
        }


def _summary(times: dict[str, list[float]]) -> Metrics:
    if not times:
        return {}
    every = [seconds for one in times.values() for seconds in one]
    found: Metrics = {"keys": float(len(every))}
    for prefix, values in {"": every, **{f"{kind}_": one for kind, one in times.items()}}.items():
        ordered = sorted(values)
        found[f"{prefix}p50_ms"] = statistics.median(ordered) * 1000
        found[f"{prefix}p99_ms"] = ordered[max(math.ceil(len(ordered) * 0.99) - 1, 0)] * 1000
        found[f"{prefix}max_ms"] = ordered[-1] * 1000
    return found


@contextmanager
def _session(load: Load, scratch: Path, size: Size, *, only_echoes: bool) -> Generator[Session]:
    settings, options = (_ECHOES, ["--no-decode"]) if only_echoes else ("", [])
    with (
        open_terminals(1) as terminals,
        daemon(terminals, scratch, _BAUD, ["--elf", str(_RECORDINGS / "greenhouse.elf")]) as (_, path),
        tempfile.NamedTemporaryFile(dir=scratch) as times,
        open_screen(path, scratch, size.columns, size.rows, options=options, settings=settings) as screen,
    ):
        board = EchoingBoard(terminals[0])
        screen.settle([board])
        times.truncate(8 * len(load.files.corpus.tag_ends))
        with writing(load, terminals, Path(times.name)) as report:
            yield Session(screen, board, report)
