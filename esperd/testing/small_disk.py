"""A disk that can be filled: a file system of its own in memory. And files that must not grow."""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Final

# The journal waits in memory up to 8 MiB; this disk holds that, and more than that has to be said to lose anything.
_DISK_BYTES: Final = 24 * 1024 * 1024


class DiskNotMountedError(Exception):
    """This machine does not let us."""


class SmallDisk:
    """A file system of its own, and something on it that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, free_bytes: int) -> None:
        """Leaves *free_bytes*, or less by a page."""
        with self._ballast.open("ab", buffering=0) as file:
            status = os.statvfs(self.folder)
            with contextlib.suppress(OSError):  # it is full
                file.write(bytes(max(status.f_bavail * status.f_frsize - free_bytes, 0)))
                while not free_bytes:
                    file.write(bytes(4096))

    def make_room(self) -> None:
        """The reverse."""
        self._ballast.unlink()


@contextlib.contextmanager
def mounted_small_disk(folder: Path) -> Generator[SmallDisk]:
    """Mounts it at *folder*, which it makes.

    Raises:
        DiskNotMountedError: it can't be.
    """
    if os.geteuid() != 0:
        raise DiskNotMountedError("mounting a small disk needs root")
    folder.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "esperd-test", folder],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        raise DiskNotMountedError(f"mounting a small disk is not allowed here: {mounted.stderr.decode()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["/bin/umount", folder], check=True)


@contextlib.contextmanager
def limited_file_size(size_bytes: int) -> Generator[None]:
    """No file of this process may grow beyond a size; what is over it is refused, as on a full disk."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
