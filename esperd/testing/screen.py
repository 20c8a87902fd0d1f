"""A program at a terminal, as a person sees it: a real pseudo-terminal, and an emulator that keeps the screen."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pyte
import trio

from esperd.testing.viewer import TIMEOUT_S

_READ_BYTES: Final = 65536
# Of what happens in files nobody tells.
_LOOK_AGAIN_S: Final = 0.1
# The emulator is larger than the terminal that the program is told of, so that what is written beyond its edge is seen.
_MARGIN: Final = 8


class ScreenError(AssertionError):
    """The screen did not come to show what was waited for; the message is what it showed."""


class Screen:
    """The screen of one program.

    Attributes:
        process: The program.
        output: All bytes that it wrote.
        columns: Of the terminal.
        rows: Of the terminal.
    """

    def __init__(self, process: trio.Process, terminal: int, program_side: int, columns: int, rows: int) -> None:
        self.process = process
        self.output = bytearray()
        self._terminal = terminal
        self._program_side = program_side
        self.columns, self.rows = columns, rows
        self._screen = pyte.Screen(columns + _MARGIN, rows + _MARGIN)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def lines(self) -> list[str]:
        """The rows, without what is blank at their ends."""
        # Not pyte's `display`, which fails where only one half of a wide character was overwritten so far.
        return ["".join(cell.data for cell in self.cells(row)).rstrip() for row in range(self.rows)]

    @property
    def beyond(self) -> str:
        """What stands right of the terminal's last column, and below its last row; empty if all is well."""
        cells = self._screen.buffer
        outside = [
            cells[row][column].data
            for row in range(self._screen.lines)
            for column in range(0 if row >= self.rows else self.columns, self._screen.columns)
        ]
        return "".join(outside).strip()

    @property
    def text(self) -> str:
        """The rows, joined by newlines."""
        return "\n".join(self.lines)

    @property
    def cursor(self) -> tuple[int, int, bool]:
        """Column, row, and whether it is shown."""
        cursor = self._screen.cursor
        return cursor.x, cursor.y, not cursor.hidden

    def cells(self, row: int) -> list[pyte.screens.Char]:
        """The cells of a row: text and style; behind a wide character stands an empty one."""
        return [self._screen.buffer[row][column] for column in range(self.columns)]

    @property
    def terminal_settings(self) -> list[object]:
        """What ``tcgetattr`` says of the program's side."""
        return list(termios.tcgetattr(self._program_side))

    async def press(self, keys: bytes) -> None:
        """Types.

        Raises:
            ScreenError: the program does not take it.
        """
        rest = memoryview(keys)
        with trio.move_on_after(TIMEOUT_S):
            while rest:
                await trio.lowlevel.wait_writable(self._terminal)
                with contextlib.suppress(BlockingIOError):
                    rest = rest[os.write(self._terminal, rest) :]
            return
        raise ScreenError(f"{len(rest)} bytes were not taken within {TIMEOUT_S:g} s:\n{self.text}")

    def resize(self, columns: int, rows: int) -> None:
        """Changes the size of the terminal, as a window manager does."""
        self.columns, self.rows = columns, rows
        self._screen.resize(rows + _MARGIN, columns + _MARGIN)
        _set_size(self._terminal, columns, rows)
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGWINCH)

    async def wait_for(self, *words: str, timeout_s: float = TIMEOUT_S) -> None:
        """Waits until the screen shows each of *words*, at the same time.

        Raises:
            ScreenError: it did not.
        """
        await self.wait_until(lambda: all(each in self.text for each in words), repr(words), timeout_s=timeout_s)

    async def wait_until_gone(self, words: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Waits until the screen shows *words* no more.

        Raises:
            ScreenError: it still did.
        """
        await self.wait_until(lambda: words not in self.text, f"no '{words}'", timeout_s=timeout_s)

    async def wait_until(self, condition: Callable[[], bool], what: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Waits until a condition holds, for the screen or for what the program does elsewhere.

        Raises:
            ScreenError: it did not, or the program ended before.
        """
        with trio.move_on_after(timeout_s):
            while not condition():
                has_ended = self.process.poll() is not None
                with trio.move_on_after(_LOOK_AGAIN_S) as looking:
                    await self._read()
                if has_ended and looking.cancelled_caught and not condition():
                    break
            else:
                return
            raise ScreenError(f"the program ended with {self.process.returncode} before {what} appeared:\n{self.text}")
        raise ScreenError(f"{what} did not appear within {timeout_s:g} s:\n{self.text}")

    async def wait_for_end(self, *, timeout_s: float = TIMEOUT_S) -> int:
        """Waits until the program has ended; its exit code.

        Raises:
            ScreenError: it did not end.
        """
        with trio.move_on_after(timeout_s):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.read_on)
                await self.process.wait()
                nursery.cancel_scope.cancel()
            while select.select([self._terminal], [], [], 0)[0]:
                await self._read()
            return self.process.returncode or 0
        raise ScreenError(f"the program did not end within {timeout_s:g} s:\n{self.text}")

    async def read_on(self) -> None:
        """Takes what the program writes, until cancelled: one whose terminal takes nothing stands still."""
        while True:
            await self._read()

    async def _read(self) -> None:
        await trio.lowlevel.wait_readable(self._terminal)
        try:
            data = os.read(self._terminal, _READ_BYTES)
        except BlockingIOError:
            return
        self.output += data
        self._stream.feed(data)


@asynccontextmanager
async def open_screen(
    command: Sequence[str], *, columns: int, rows: int, environment: Mapping[str, str], folder: Path | None = None
) -> AsyncGenerator[Screen]:
    """Runs a program at a terminal of this size, in *folder*; kills it in the end if it still runs."""
    terminal, program_side = pty.openpty()
    os.set_blocking(terminal, False)
    _set_size(terminal, columns, rows)
    try:
        process = await trio.lowlevel.open_process(
            list(command),
            stdin=program_side,
            stdout=program_side,
            stderr=program_side,
            env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
            cwd=folder,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(program_side, termios.TIOCSCTTY, 0),
        )
        try:
            yield Screen(process, terminal, program_side, columns, rows)
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
    finally:
        os.close(terminal)
        os.close(program_side)


def _set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
