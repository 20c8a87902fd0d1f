"""Text that is piped in or pasted: read in parts, and not without end."""

import os
import sys
from collections.abc import Iterator
from typing import Final

from esperctl.errors import FailedError
from esperctl.output import Output
from esperctl.units import bytes_text

# How people name it where a file is wanted.
STANDARD_INPUT: Final = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_PART_BYTES: Final = 256 * 1024


def read_standard_input(what: str, most_bytes: int, output: Output) -> Iterator[bytes]:
    """The parts of what comes; on a terminal, says first that *what* is to be pasted.

    Raises:
        FailedError: there is no standard input, or more than *most_bytes*.
    """
    if sys.stdin is None:
        raise FailedError("there is no standard input to read from")
    if sys.stdin.isatty():
        output.talk(f"paste the {what}, then press Ctrl-D on a line of its own")
    yield from read_bounded(sys.stdin.fileno(), "standard input", what, most_bytes)


def read_bounded(descriptor: int, name: str, what: str, most_bytes: int) -> Iterator[bytes]:
    """The parts of an open file that need not have an end.

    Raises:
        FailedError: it has more than *most_bytes*, or can't be read.
    """
    left_bytes = most_bytes
    while part := _read(descriptor, name):
        left_bytes -= len(part)
        if left_bytes < 0:
            raise FailedError(
                f"{name} has more than {bytes_text(most_bytes)}", f"give it the part of the log with the {what}"
            )
        yield part


def _read(descriptor: int, name: str) -> bytes:
    try:
        # Unbuffered: on a terminal a buffered file goes on reading after Ctrl-D, until there is another one.
        return os.read(descriptor, _PART_BYTES)
    except OSError as error:
        raise FailedError(f"{name} can't be read: {error.strerror}") from error
