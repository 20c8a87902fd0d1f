"""The two directions of a terminal for prompt_toolkit: keys that bypass its bindings, output that waits for nobody."""

import os
from collections.abc import Callable
from typing import Final, TextIO

from prompt_toolkit.data_structures import Size
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.output.color_depth import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output

from esperctl.viewer.keys import Key
from esperctl.viewer.terminal.keys import KeyReader
from esperctl.viewer.terminal.overriding import override
from esperctl.viewer.terminal.writing import TerminalWriter

_READ_BYTES: Final = 64 * 1024
_FALLBACK_SIZE: Final = Size(rows=24, columns=80)


class KeyInput(Vt100Input):
    """Hands keys to ``on_keys`` and none to prompt_toolkit, so that none of its bindings can take one."""

    def __init__(self, stdin: TextIO, on_keys: Callable[[list[Key]], None]) -> None:
        super().__init__(stdin)
        self._on_keys = on_keys
        self._reader = KeyReader()
        self._is_closed = False

    @property
    @override
    def closed(self) -> bool:
        return self._is_closed

    @override
    def read_keys(self) -> list[KeyPress]:
        try:
            data = os.read(self.fileno(), _READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            # EIO: the terminal is gone.
            data = b""
        if data:
            self._hand_over(self._reader.feed(data))
        else:
            self._is_closed = True
        return []

    @override
    def flush_keys(self) -> list[KeyPress]:
        self._hand_over(self._reader.flush())
        return []

    def _hand_over(self, keys: list[Key]) -> None:
        if keys:
            self._on_keys(keys)


class ScreenOutput(Vt100_Output):
    """A terminal's output in 16 colours that asks it nothing.

    Attributes:
        writer: Takes what is flushed. Nothing is written before it is opened.
        is_alternate_screen: Whether what was written so far ends there.
    """

    def __init__(self, stdout: TextIO, writer: TerminalWriter) -> None:
        # Before the base class, whose methods read it.
        self._stream = stdout
        self.writer = writer
        self.is_alternate_screen = False
        super().__init__(
            stdout,
            self._terminal_size,
            term=os.environ.get("TERM"),
            default_color_depth=ColorDepth.DEPTH_4_BIT,
            enable_cpr=False,
        )

    def _terminal_size(self) -> Size:
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return _FALLBACK_SIZE
        # A terminal that does not know its size says 0.
        return Size(rows=size.lines or _FALLBACK_SIZE.rows, columns=size.columns or _FALLBACK_SIZE.columns)

    @override
    def show_cursor(self) -> None:
        # prompt_toolkit would end its blinking, too, also for whatever runs afterwards.
        if not self._cursor_visible:
            self._cursor_visible = True
            self.write_raw("\x1b[?25h")

    @override
    def enter_alternate_screen(self) -> None:
        self.is_alternate_screen = True
        super().enter_alternate_screen()

    @override
    def quit_alternate_screen(self) -> None:
        self.is_alternate_screen = False
        super().quit_alternate_screen()

    @override
    def flush(self) -> None:
        text, self._buffer = "".join(self._buffer), []
        if text:
            self.writer.write(text.encode(self._stream.encoding or "utf-8", "replace"))
