"""The terminal as a source of single keys; its mode is a scope."""

import signal
import termios
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

_ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # An exception instead of the default, so that the terminal is restored on the way out.
    del frame
    raise SystemExit(128 + number)


@contextmanager
def single_keys(descriptor: int) -> Generator[None]:
    """Within this scope the terminal gives every key at once, unchanged and without an echo.

    Output is processed as before: a newline still returns the carriage. The terminal is restored whatever ends the
    scope, SIGTERM and SIGHUP included.
    """
    saved = termios.tcgetattr(descriptor)
    handlers = [(number, signal.signal(number, _leave)) for number in _ENDING_SIGNALS]
    try:
        termios.tcsetattr(descriptor, termios.TCSANOW, _with_single_keys(termios.tcgetattr(descriptor)))
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, saved)
        for number, handler in handlers:
            signal.signal(number, handler)


def _with_single_keys(attributes: list[int | list[bytes | int]]) -> list[int | list[bytes | int]]:
    in_flags, out_flags, control_flags, local_flags, *speeds, characters = attributes
    if not isinstance(in_flags, int) or not isinstance(local_flags, int) or not isinstance(characters, list):
        raise TypeError("termios.tcgetattr returned something else than it documents")
    in_flags &= ~(termios.BRKINT | termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP | termios.IXON)
    local_flags &= ~(termios.ICANON | termios.ECHO | termios.ECHONL | termios.ISIG | termios.IEXTEN)
    characters[termios.VMIN] = 1
    characters[termios.VTIME] = 0
    return [in_flags, out_flags, control_flags, local_flags, *speeds, characters]
