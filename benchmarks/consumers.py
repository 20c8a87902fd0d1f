"""The floors, and the daemon: programs that read a port, each started afresh for each run."""

import functools
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import tty
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.streams import EsperReceiver, RawReceiver, Receiver, Stream, drain
from esper_protocol.messages import Boards, ListBoards

SOURCES: Final = Path(__file__).parent
# Reads as pyserial's users do at best: what is there, at once.
_PYTHON_LOOP: Final = """\
import os, sys
port = os.open(sys.argv[1], os.O_RDONLY | os.O_NOCTTY)
while data := os.read(port, 65536):
    os.write(1, data)
"""
_STARTUP_S: Final = 10.0
_SETTLE_S: Final = 0.15
_POLL_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class Terminal:
    """A pseudo-terminal: the board's side, ours to write, and the path of the other, raw."""

    master: int
    slave: int
    path: str


@contextmanager
def open_terminals(count: int) -> Generator[list[Terminal]]:
    """Makes *count* of them."""
    terminals: list[Terminal] = []
    try:
        for _ in range(count):
            master, slave = os.openpty()
            # Kept open without being read: else its settings would go with the first program that closes it.
            tty.setraw(slave)
            terminals.append(Terminal(master, slave, os.ttyname(slave)))
        yield terminals
    finally:
        for terminal in terminals:
            os.close(terminal.master)
            os.close(terminal.slave)


@dataclass(slots=True)
class Running:
    """A consumer that reads all its ports.

    Attributes:
        exact: (port, stream) that must equal what was written.
        tagged: (port, stream) with arrivals of tags.
        same: Streams that must all equal the first.
        state_dir: The daemon's, to look at its journal afterwards.
        viewers: The daemon's clients, to ask what they noticed.
    """

    pid: int
    receivers: list[Receiver]
    exact: list[tuple[int, Stream]] = field(default_factory=list[tuple[int, Stream]])
    tagged: list[tuple[int, Stream]] = field(default_factory=list[tuple[int, Stream]])
    same: list[Stream] = field(default_factory=list[Stream])
    state_dir: Path | None = None
    viewers: list[EsperReceiver] = field(default_factory=list[EsperReceiver])


Consumer: TypeAlias = Callable[[Sequence[Terminal], Path], AbstractContextManager[Running]]


@contextmanager
def spawned(command: Sequence[str], **options: object) -> Generator[subprocess.Popen[bytes]]:
    """Starts a program, and ends it."""
    process: subprocess.Popen[bytes] = subprocess.Popen(command, **options)  # type: ignore[call-overload]  # passed on
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def settle(receivers: Sequence[Receiver], seconds: float = _SETTLE_S) -> None:
    """Reads until nothing came for a while, then starts counting."""
    drain(receivers, lambda: False, seconds)
    for receiver in receivers:
        receiver.restart()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = _STARTUP_S) -> None:
    """Asks every few milliseconds.

    Raises:
        TimeoutError: it did not become true.
    """
    for _ in range(int(seconds / _POLL_S)):
        if condition():
            return
        select.select([], [], [], _POLL_S)
    raise TimeoutError(f"{what} did not happen within {seconds:g} s")


# Floors ---------------------------------------------------------------------------------------------------


@contextmanager
def _copier(command: Sequence[str], ports: Sequence[Terminal], directory: Path) -> Generator[Running]:
    del directory
    with spawned([*command, ports[0].path], stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise RuntimeError("a pipe was asked for")
        stream = Stream(is_tagged=True)
        receiver = RawReceiver(process.stdout.fileno(), stream)
        # It reads once it sleeps in a read of the port, or of its pipe; a byte says so for sure.
        os.write(ports[0].master, b"\n")
        drain([receiver], lambda: stream.size_bytes > 0, _STARTUP_S)
        receiver.restart()
        yield Running(process.pid, [receiver], [(0, stream)], [(0, stream)])


def cat() -> Consumer:
    """The system's ``cat``."""
    return functools.partial(_copier, ["cat"])


def python_loop() -> Consumer:
    """A loop of os.read and os.write, always there."""
    return functools.partial(_copier, [sys.executable, "-S", "-c", _PYTHON_LOOP])


def c_loop(directory: Path) -> Consumer | None:
    """The same in C; None without a compiler."""
    program = compile_c("floor.c", directory / "floor")
    return None if program is None else functools.partial(_copier, [str(program)])


def compile_c(source: str, target: Path, *flags: str) -> Path | None:
    """Compiles one file of this folder; None without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    subprocess.run([compiler, "-O2", *flags, "-o", str(target), str(SOURCES / source)], check=True)
    return target


# The daemon -----------------------------------------------------------------------------------------------


@contextmanager
def daemon(
    ports: Sequence[Terminal], directory: Path, baud: int, options: Sequence[str] = ()
) -> Generator[tuple[subprocess.Popen[bytes], Path]]:
    """Runs esperd; yields it and its socket, which accepts."""
    runtime = directory / "run"
    boards = [f"board{index}={port.path}" for index, port in enumerate(ports)]
    command = [sys.executable, "-m", "esperd", *boards, "--baud", str(baud), "--log-level", "warning"]
    command += ["--state-dir", str(directory / "state"), "--runtime-dir", str(runtime), *options]
    path = runtime / "board0.sock"
    with spawned(command, stdin=subprocess.DEVNULL) as process:
        wait_until(lambda: accepts(path) or process.poll() is not None, "the start of esperd")
        if process.poll() is not None:
            raise RuntimeError(f"esperd ended at once, with status {process.returncode}")
        yield process, path


def accepts(path: Path) -> bool:
    """Whether somebody listens on a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def esperd(clients: int, baud: int, *, stalled: int = 0, decoding: int = 1) -> Consumer:
    """The daemon with viewers of all its boards.

    Args:
        clients: How many read.
        baud: Of the ports.
        stalled: How many more attach and never read.
        decoding: How many of *clients* decode what they get; the others compare it byte for byte with the first's.
    """
    return functools.partial(_esperd, clients, baud, stalled, decoding)


@contextmanager
def _esperd(
    clients: int, baud: int, stalled: int, decoding: int, ports: Sequence[Terminal], directory: Path
) -> Generator[Running]:
    with tempfile.TemporaryDirectory(dir=directory) as scratch, daemon(ports, Path(scratch), baud) as (process, path):
        viewers = [_viewer(path, len(ports)) for _ in range(clients + stalled)]
        wait_until(lambda: _all_connected(viewers[0]), "the opening of the ports")
        readers = viewers[:clients]
        running = Running(process.pid, [], state_dir=Path(scratch) / "state", viewers=readers)
        # The first and the last are served first and last; what is judged of latency is judged of both.
        decoders = {0, clients - 1, *range(decoding)} if clients else set[int]()
        for index, viewer in enumerate(readers):
            if index in decoders:
                streams = [(port, viewer.boards[f"board{port}"]) for port in range(len(ports))]
                running.exact += streams
                running.tagged += streams
                running.receivers.append(viewer)
            else:
                running.receivers.append(RawReceiver(viewer.fileno(), Stream(is_tagged=False)))
        running.same = [viewers[0].raw] if readers else []
        running.same += [receiver.stream for receiver in running.receivers if isinstance(receiver, RawReceiver)]
        settle(running.receivers)
        try:
            yield running
        finally:
            for viewer in viewers:
                viewer.socket.close()


def _all_connected(viewer: EsperReceiver) -> bool:
    answer = viewer.request(ListBoards())
    return isinstance(answer, Boards) and all(board.state == "connected" for board in answer.boards)


def _viewer(path: Path, ports: int) -> EsperReceiver:
    viewer = EsperReceiver(str(path))
    for port in range(ports):
        viewer.subscribe(f"board{port}")
    return viewer
