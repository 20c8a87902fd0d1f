"""A pseudo-terminal with a terminal emulator at its other end."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

_PROGRAM = Path(__file__).with_name("terminal_program.py")
_TIMEOUT_S = 20.0


class Emulator:
    """What a user sees of a program on a pseudo-terminal.

    Attributes:
        raw: Everything the program wrote.
        descriptor: The program's side, kept open, so that its settings can be looked at.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self._master, self.descriptor = pty.openpty()
        self.raw = b""
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self._set_size(columns, rows)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self._set_size(columns, rows)

    def type(self, data: bytes) -> None:
        os.write(self._master, data)

    def read(self, wait_s: float = 0.0) -> bool:
        """Shows what was written meanwhile; False when there was nothing."""
        if not select.select([self._master], [], [], wait_s)[0]:
            return False
        data = os.read(self._master, 65536)
        self.raw += data
        self.stream.feed(data)
        return True

    def wait_for(self, is_reached: Callable[["Emulator"], bool]) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while not is_reached(self):
            assert time.monotonic() < deadline, "\n".join(self.lines())
            self.read(0.05)

    def wait_for_text(self, text: str) -> None:
        self.wait_for(lambda emulator: any(text in line for line in emulator.lines()))

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def hang_up(self) -> None:
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        for descriptor in (self._master, self.descriptor):
            if descriptor >= 0:
                os.close(descriptor)


class RunningProgram:
    """``terminal_program.py`` on a terminal."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.emulator = Emulator(columns, rows)
        self.settings_before = termios.tcgetattr(self.emulator.descriptor)
        environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        environment.pop("TMUX", None)
        self.process = subprocess.Popen(
            [sys.executable, str(_PROGRAM)],
            stdin=self.emulator.descriptor,
            stdout=self.emulator.descriptor,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        self.emulator.wait_for_text(f"0 keys at {columns}x{rows}")

    def end(self) -> tuple[int, str]:
        """The exit code and what was written to standard error."""
        _, errors = self.process.communicate(timeout=_TIMEOUT_S)
        while self.emulator.read():
            pass
        return self.process.returncode, errors.decode()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.emulator.close()


@pytest.fixture
def start() -> Iterator[Callable[..., RunningProgram]]:
    """Starts the program on a terminal of a size."""
    running: list[RunningProgram] = []

    def make(columns: int = 80, rows: int = 24) -> RunningProgram:
        running.append(RunningProgram(columns, rows))
        return running[-1]

    yield make
    for program in running:
        program.close()


@pytest.fixture
def make_emulator() -> Iterator[Callable[[int, int], Emulator]]:
    """Makes a terminal without a program."""
    made: list[Emulator] = []

    def make(columns: int, rows: int) -> Emulator:
        made.append(Emulator(columns, rows))
        return made[-1]

    yield make
    for emulator in made:
        emulator.close()
