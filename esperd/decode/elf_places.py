"""What stands at a path that ELF files are taken from: a file, or a folder of them. All of it blocks, maybe for ever.

Nothing is opened here, so that a serial port which somebody linked into a folder does not hear of it.
"""

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

# A linker is still writing a file that changed just now.
_SETTLED_S: Final = 1.0
# build/app.elf, build/bootloader/bootloader.elf, .pio/build/board/firmware.elf; beyond that it is not an output.
_MAX_DEPTH: Final = 4
_MAX_FILES: Final = 2000

FileState = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen.

    Attributes:
        is_lasting: Whether something may come: it is a folder, or nothing that can be read yet.
        files: Those that nobody is writing to, with what tells them from what they are after a change.
        problem: Why it can't be looked at.
    """

    is_lasting: bool
    files: dict[Path, FileState] = field(default_factory=dict[Path, FileState])
    problem: str = ""


def look_at(path: Path) -> Look:
    """Looks at a file, or into a folder."""
    try:
        status = path.stat()
        if not stat.S_ISDIR(status.st_mode):
            # Complete, because somebody says so. What is no regular file is refused, and told once, when it is taken.
            return Look(is_lasting=False, files={path: _state_of(status)})
        return Look(is_lasting=True, files=dict(_settled_files(path)))
    except FileNotFoundError:
        return Look(is_lasting=True, problem="there is no such file or folder yet")
    except OSError as error:
        return Look(is_lasting=True, problem=error.strerror or str(error))


def find_elf_files(folder: Path) -> Iterator[Path]:
    """The files that are called ``*.elf`` in a folder and the folders in it, without following links to folders.

    Raises:
        OSError: the folder itself can't be read.
    """

    def refuse(error: OSError) -> None:
        if error.filename == str(folder):
            raise error

    found = 0
    for parent, folders, names in os.walk(folder, onerror=refuse):
        if len(Path(parent).relative_to(folder).parts) >= _MAX_DEPTH - 1:
            folders.clear()
        folders[:] = sorted(name for name in folders if name not in (".git", "CMakeFiles"))
        for name in sorted(names):
            if name.endswith(".elf") and found < _MAX_FILES:
                found += 1
                yield Path(parent) / name


def _settled_files(folder: Path) -> Iterator[tuple[Path, FileState]]:
    for path in find_elf_files(folder):
        try:
            status = path.stat()
        except OSError:
            continue  # gone meanwhile, or a link to nothing
        # FIFOs, devices and sockets may be called so, too: they are none of ours, and no word is lost about them.
        if stat.S_ISREG(status.st_mode) and abs(time.time() - status.st_mtime) >= _SETTLED_S:
            yield path, _state_of(status)


def _state_of(status: os.stat_result) -> FileState:
    return status.st_mtime_ns, status.st_size
