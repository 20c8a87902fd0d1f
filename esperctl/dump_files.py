"""A core dump that is in a file, comes through a pipe, or is pasted: as a file that the decoder reads."""

import contextlib
import tempfile
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Final

from esperctl.errors import FailedError
from esperctl.output import Output
from esperctl.standard_input import STANDARD_INPUT, read_bounded, read_standard_input

_WHAT: Final = "core dump"
# What the decoder takes of a file, too: base64 of the largest dump, and the log around it.
_MOST_BYTES: Final = 256 * 1024 * 1024


@contextlib.contextmanager
def dump_file(name: str, output: Output) -> Generator[Path | None]:
    """The file that *name* names, for as long as it is needed; None when it names none.

    Nothing but plain files and pipes is opened: to open a serial port may reset its board.

    Raises:
        FailedError: what comes through the pipe can't be read or stored, or is too much.
    """
    if name in STANDARD_INPUT:
        parts = read_standard_input(_WHAT, _MOST_BYTES, output)
    elif Path(name).is_fifo():
        parts = _read_pipe(Path(name))
    else:
        yield Path(name).absolute() if Path(name).is_file() else None
        return
    with tempfile.TemporaryDirectory(prefix="esperctl-") as folder:
        copy = Path(folder) / "dump"
        _write(parts, copy)
        yield copy


def _read_pipe(path: Path) -> Iterator[bytes]:
    with path.open("rb") as pipe:
        yield from read_bounded(pipe.fileno(), str(path), _WHAT, _MOST_BYTES)


def _write(parts: Iterable[bytes], path: Path) -> None:
    try:
        with path.open("wb") as file:
            file.writelines(parts)
    except OSError as error:
        raise FailedError(f"the {_WHAT} can't be copied to {path}: {error.strerror}", "give it as a file") from error
