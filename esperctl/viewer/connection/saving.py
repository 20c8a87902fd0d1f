"""New files in the working directory, named so that none is overwritten."""

import contextlib
from pathlib import Path
from typing import IO, Final

from esperctl.errors import FailedError

# Whoever has this many files of one name wants something else.
_MOST_NUMBERS: Final = 1000


def create_file(name: str) -> tuple[Path, IO[bytes]]:
    """A new file called *name*, or with a number before its suffix where that is taken; the caller closes it.

    Raises:
        FailedError: the folder can't be written to.
    """
    wanted = Path(name)
    for number in range(1, _MOST_NUMBERS):
        numbered = wanted if number == 1 else wanted.with_stem(f"{wanted.stem}-{number}")
        try:
            path = Path.cwd() / numbered.name
            return path, path.open("xb")
        except FileExistsError:
            continue
        except OSError as error:
            raise FailedError(f"{numbered.name} can't be written here: {error.strerror or error}") from error
    raise FailedError(f"there are too many files called {name} here", "move them away")


def save(name: str, data: bytes) -> Path:
    """Writes a new file.

    Raises:
        FailedError: it can't be written.
    """
    path, file = create_file(name)
    try:
        with file:
            file.write(data)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise not_written(path, error) from error
    return path


def not_written(path: Path, error: OSError) -> FailedError:
    """Why a file that was begun is not there."""
    return FailedError(f"{path} can't be written: {error.strerror or error}")
