"""The only module that writes to the terminal: data to stdout, talk to stderr.

What comes from a daemon is text by strangers (a board chose it); everything but bytes that were asked for raw
passes the terminal filter on its way.
"""

import os
import sys
from typing import Final, Literal

import msgspec

from esperctl.errors import EsperctlError
from esperctl.safe_text import escape_json, safe_text

ColourChoice = Literal["auto", "always", "never"]
_DEFAULT_WIDTH: Final = 80


class Output:
    """Standard output and standard error of this process."""

    def __init__(self, colour: ColourChoice = "auto") -> None:
        self.is_terminal = _is_terminal(1)
        self._talk_is_terminal = _is_terminal(2)
        plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self.colour = colour == "always" or (colour == "auto" and self.is_terminal and not plain)
        self._progress_shown = False

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        try:
            return os.get_terminal_size(1).columns or _DEFAULT_WIDTH
        except OSError:
            return _DEFAULT_WIDTH

    def write(self, data: bytes) -> None:
        """Writes *data* as it is; it must be safe already where stdout is a terminal."""
        sys.stdout.buffer.write(data)

    def flush(self) -> None:
        """Hands what was written to the reader."""
        sys.stdout.buffer.flush()

    def line(self, text: str = "") -> None:
        """Writes one line of text that is safe already."""
        self.write(text.encode("utf-8", "backslashreplace") + b"\n")

    def document(self, value: object) -> None:
        """Writes one JSON document for people and programs."""
        text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
        self.line(escape_json(text))

    def talk(self, text: str) -> None:
        """Says something on stderr, after what was written so far."""
        self.flush()
        self._clear_progress()
        self._say(safe_text(text) + "\n")

    def warn(self, error: EsperctlError) -> None:
        """Says what is wrong and what to do."""
        self.talk(f"esperctl: {error.message}")
        if error.hint:
            self.talk(f"hint: {error.hint}")

    def progress(self, text: str) -> None:
        """Shows how far a long operation is, on one line that the next one replaces; only on a terminal."""
        if self._talk_is_terminal:
            self._say(f"\r\x1b[K{safe_text(text)[: self.width - 1]}")
            self._progress_shown = True

    def _clear_progress(self) -> None:
        if self._progress_shown:
            self._progress_shown = False
            self._say("\r\x1b[K")

    @staticmethod
    def _say(text: str) -> None:
        sys.stderr.buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stderr.buffer.flush()


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def abandon_stdout() -> None:
    """Makes what is still buffered go nowhere; after the reader of the pipe went away."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
