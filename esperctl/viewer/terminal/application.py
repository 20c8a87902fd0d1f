"""The terminal while the viewer runs: keys in, pictures out, and everything as it was before when it ends."""

import os
import signal
import sys
import termios
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from prompt_toolkit.application import Application
from prompt_toolkit.layout import Layout
from prompt_toolkit.output.color_depth import ColorDepth

from esperctl.viewer.keys import Key
from esperctl.viewer.screen import Picture
from esperctl.viewer.terminal.osc52 import clipboard_sequence
from esperctl.viewer.terminal.painting import PictureWindow
from esperctl.viewer.terminal.streams import KeyInput, ScreenOutput
from esperctl.viewer.terminal.writing import TerminalWriter

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from prompt_toolkit.layout.screen import Screen

# How long an Escape may be the start of a sequence: short, for the board may wait for it, but longer than what parts a
# sequence on its way through ssh.
_ESCAPE_TIMEOUT_S: Final = 0.05
_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
# How long leaving may take when the terminal takes nothing.
_LAST_WORDS_TIMEOUT_S: Final = 1.0
# Style (SGR), wrap on, bracketed paste off, the screen before, the cursor (xterm's ctlseqs, "DEC Private Mode Set").
_RESTORING: Final = "\x1b[0m\x1b[?7h\x1b[?2004l\x1b[?1049l\x1b[?25h"
# Far more than a picture.
_MOST_WAITING_BYTES: Final = 1024 * 1024
# As shells tell that a signal ended a process.
_SIGNAL_EXIT: Final = 128


class Terminal:
    """The terminal in full-screen mode while ``run`` runs.

    Args:
        on_keys: Called with keys as they come; all of them, Ctrl-C and Ctrl-Z, too.
        on_resize: Called with columns and rows before the first picture is painted, and after each change.
        stdin: A terminal; the process's by default.
        stdout: The same terminal; the process's by default.
    """

    def __init__(
        self,
        *,
        on_keys: Callable[[tuple[Key, ...]], None],
        on_resize: Callable[[int, int], None],
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
    ) -> None:
        self._on_keys = on_keys
        self._on_resize = on_resize
        self._size: tuple[int, int] | None = None
        self._is_telling_size = False
        # Whether the last picture waits until the terminal has taken the one before.
        self._is_late = False
        self._exit_code: int | None = None
        self._error: BaseException | None = None
        self._watched: AbstractEventLoop | None = None
        self._stdin = stdin or sys.stdin
        stream = stdout or sys.stdout
        self._writer = TerminalWriter(
            stream, on_gone=lambda: self.stop(_SIGNAL_EXIT + signal.SIGHUP), on_drained=self._paint_late
        )
        self._output = ScreenOutput(stream, self._writer)
        self._window = PictureWindow(self._last_screen)
        self._application: Application[int] = Application(
            layout=Layout(self._window),
            full_screen=True,
            erase_when_done=True,
            include_default_pygments_style=False,
            enable_page_navigation_bindings=False,
            color_depth=ColorDepth.DEPTH_4_BIT,
            # Whoever shows pictures decides how often; SIGWINCH tells of every resize.
            min_redraw_interval=None,
            max_render_postpone_time=None,
            terminal_size_polling_interval=None,
            before_render=lambda _: self._tell_size(),
            after_render=lambda _: self._put_cursor(),
            input=KeyInput(self._stdin, self._take_keys),
            output=self._output,
        )
        self._application.ttimeoutlen = _ESCAPE_TIMEOUT_S

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows now."""
        size = self._output.get_size()
        return size.columns, size.rows

    def show(self, picture: Picture) -> None:
        """Paints *picture* as soon as the event loop is back in charge, and the terminal has taken what was painted.

        Of several only the last.
        """
        if picture.cells == self._window.picture.cells and picture.cursor == self._window.picture.cursor:
            return
        self._window.picture = picture
        if self._writer.waiting_bytes:
            self._is_late = True
        elif not self._is_telling_size:
            self._application.invalidate()

    def _paint_late(self) -> None:
        if self._is_late:
            self._is_late = False
            self._application.invalidate()

    def copy(self, text: str) -> bool:
        """Asks the terminal to put *text* on the clipboard; False when it is too large for that, or takes nothing."""
        sequence = clipboard_sequence(text, in_tmux=bool(os.environ.get("TMUX")))
        if sequence is None or self._writer.waiting_bytes > _MOST_WAITING_BYTES:
            return False
        self._output.write_raw(sequence)
        self._output.flush()
        return True

    def stop(self, exit_code: int = 0) -> None:
        """Ends ``run``; the first call counts."""
        if self._exit_code is None:
            self._exit_code = exit_code
            self._end()

    def fail(self, error: BaseException) -> None:
        """Ends ``run``, which raises *error*."""
        if self._exit_code is None and self._error is None:
            self._error = error
            self._end()

    async def run(self) -> int:
        """Runs until ``stop``, a signal that ends processes, or the terminal's end.

        Returns:
            The exit code given to ``stop``, or 128 and the number of the signal; a terminal that is gone counts as
            SIGHUP.

        Raises:
            BaseException: What was given to ``fail``, or what a callback or any task of the event loop raised and
                nobody handled.
        """
        with self._restoring():
            self._writer.open()
            try:
                return await self._application.run_async(
                    pre_run=self._begin, set_exception_handler=False, handle_sigint=False
                )
            except EOFError:
                return _SIGNAL_EXIT + signal.SIGHUP
            finally:
                self._unwatch()

    def _begin(self) -> None:
        self._watched = loop = self._application.loop
        if loop is not None:
            for number in _SIGNALS:
                loop.add_signal_handler(number, self.stop, _SIGNAL_EXIT + number)
            # An error in a callback would else be written over the screen, and the viewer would go on without it.
            loop.set_exception_handler(lambda _, context: self._fail_by(context))
        self._end()

    def _unwatch(self) -> None:
        loop, self._watched = self._watched, None
        if loop is not None:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
            loop.set_exception_handler(None)

    def _end(self) -> None:
        """Makes ``run`` end if it runs and shall end."""
        future = self._application.future
        if future is None or future.done():
            return
        if self._error is not None:
            self._application.exit(exception=self._error)
        elif self._exit_code is not None:
            self._application.exit(result=self._exit_code)

    def _fail_by(self, context: Mapping[str, object]) -> None:
        error = context.get("exception")
        self.fail(error if isinstance(error, BaseException) else RuntimeError(str(context.get("message"))))

    def _take_keys(self, keys: list[Key]) -> None:
        self._on_keys(tuple(keys))

    def _last_screen(self) -> "Screen | None":
        return self._application.renderer.last_rendered_screen

    def _tell_size(self) -> None:
        if self._size == self.size:
            return
        if self._size is not None:
            # After a resize terminals disagree about where the cursor is.
            self._output.cursor_goto(1, 1)
        self._size = self.size
        # What is shown meanwhile is painted right after.
        self._is_telling_size = True
        try:
            self._on_resize(*self._size)
        finally:
            self._is_telling_size = False

    def _put_cursor(self) -> None:
        # Also called when the screen before is back, where the cursor is not ours.
        if self._window.doubtful_cursor is not None and self._output.is_alternate_screen:
            row, column = self._window.doubtful_cursor
            self._output.cursor_goto(row + 1, column + 1)
            self._output.flush()

    @contextmanager
    def _restoring(self) -> Generator[None]:
        """Puts back what prompt_toolkit puts back itself, unless it was prevented from it."""
        descriptor = self._stdin.fileno()
        before = termios.tcgetattr(descriptor)
        try:
            yield
        finally:
            if self._output.is_alternate_screen:
                self._output.write_raw(_RESTORING)
                self._output.flush()
            self._writer.end(_LAST_WORDS_TIMEOUT_S, _RESTORING.encode())
            if not self._writer.is_gone:
                termios.tcsetattr(descriptor, termios.TCSANOW, before)
