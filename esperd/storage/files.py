"""Small files that are whole or not there: written beside, synced, and renamed into place."""

import os
from pathlib import Path

TEMPORARY_SUFFIX = ".part"


def make_directory(path: Path, mode: int) -> None:
    """Makes a directory and its parents; *mode* holds for those that are new, whatever the umask."""
    if path.is_dir():
        return
    make_directory(path.parent, mode)
    path.mkdir(exist_ok=True)
    path.chmod(mode)


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Replaces the content of *path* at once: after a power cut it is the old or the new, never a part."""
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        os.fchmod(descriptor, mode)
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes renames and new files in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def has_room(path: Path, free_percent: float) -> bool:
    """Whether more than *free_percent* of the file system that holds *path* is free to us."""
    status = os.statvfs(path)
    return status.f_bavail * 100 > free_percent * status.f_blocks
