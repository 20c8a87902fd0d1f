"""A core dump that is in a file, comes through a pipe, or is pasted: as a file that the decoder reads."""

import contextlib
import stat
import tempfile
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from esperctl.errors import EsperctlError, FailedError, NotPermittedError
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
        NotPermittedError: the user may not read it.
        FailedError: it can't be read; what comes through the pipe can't be stored, or is too much.
    """
    path = Path(name)
    if name in STANDARD_INPUT:
        parts = read_standard_input(_WHAT, _MOST_BYTES, output)
    elif stat.S_ISFIFO(mode := mode_of(path)):
        parts = _read_pipe(path)
    elif stat.S_ISREG(mode):
        _open(path).close()
        yield path.absolute()
        return
    else:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="esperctl-") as folder:
        copy = Path(folder) / "dump"
        _write(parts, copy)
        yield copy


def mode_of(path: Path) -> int:
    """Its type and rights, as ``stat`` has them; 0 where nothing is.

    Raises:
        NotPermittedError: the user may not look at it.
        FailedError: it can't be looked at.
    """
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> EsperctlError:
    if isinstance(error, PermissionError):
        return NotPermittedError(f"you may not read {path}")
    return FailedError(f"{path} can't be read: {error.strerror}")


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def _read_pipe(path: Path) -> Iterator[bytes]:
    with _open(path) as pipe:
        yield from read_bounded(pipe.fileno(), str(path), _WHAT, _MOST_BYTES)


def _write(parts: Iterable[bytes], path: Path) -> None:
    try:
        with path.open("wb") as file:
            file.writelines(parts)
    except OSError as error:
        raise FailedError(f"the {_WHAT} can't be copied to {path}: {error.strerror}", "give it as a file") from error
