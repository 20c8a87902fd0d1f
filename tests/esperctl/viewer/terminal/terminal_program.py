"""A program that runs a Terminal on its own terminal; its keys decide how it ends.

It shows the keys it got, in hexadecimal, and its size. Usage: ``terminal_program.py``.
"""

import asyncio
import fcntl
import os
import signal
import sys
import termios

from esperctl.viewer.keys import Key
from esperctl.viewer.screen import Theme, draw
from esperctl.viewer.style import Span, Style
from esperctl.viewer.terminal.application import Terminal
from esperctl.viewer.view import LogView, Row, Status, View


class Program:
    """The keys that came, shown one a row."""

    def __init__(self) -> None:
        self.terminal = Terminal(on_keys=self.take, on_resize=self.resize)
        self._keys: list[Key] = []
        self._size = (80, 24)
        self._tasks: list[asyncio.Task[None]] = []

    def take(self, keys: tuple[Key, ...]) -> None:
        for key in keys:
            self._keys.append(key)
            match key.name:
                case "Q":
                    self.terminal.stop(7)
                case "E":
                    raise RuntimeError("a callback failed")
                case "B":
                    self._tasks.append(asyncio.get_running_loop().create_task(self._fail()))
                    self._tasks.clear()
                case "K":
                    os.kill(os.getpid(), signal.SIGTERM)
                case "C":
                    self.terminal.copy("clip")
                case "X":
                    sys.exit(9)
                case _:
                    pass
        self.show()

    async def _fail(self) -> None:
        raise RuntimeError("a task failed")

    def resize(self, columns: int, rows: int) -> None:
        self._size = (columns, rows)
        self.show()

    def show(self) -> None:
        columns, rows = self._size
        shown = (f"{len(self._keys)} keys at {columns}x{rows}", *(f"{k.name} {k.data.hex()}" for k in self._keys))
        lines = tuple(Row((Span(line, Style(foreground=2, bold=True)),)) for line in shown[-(rows - 3) :])
        log = LogView(lines, 0, above=False, below=False, cursor=(0, 3))
        view = View(columns, rows, None, log, Status("DEVICE", (), "日本 é hint"))
        self.terminal.show(draw(view, Theme()))


async def _main() -> int:
    program = Program()
    return await program.terminal.run()


if __name__ == "__main__":
    # The test's terminal is to be the one that hangs up.
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    sys.exit(asyncio.run(_main()))
