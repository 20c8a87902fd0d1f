"""Small files that are whole or not there: written beside, synced, and renamed into place. And who may read them."""

import os
from dataclasses import dataclass
from pathlib import Path

from esperd.system.private_paths import check_safe

TEMPORARY_SUFFIX = ".part"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read what the daemon keeps: its user alone, or the members of *group*, too.

    A group's folders have the set-group-ID bit, so that whatever is made in them belongs to the group. Who may connect
    to the socket may be set apart from that (*own_socket_mode*).
    """

    group: int | None = None
    own_socket_mode: int | None = None

    @property
    def file_mode(self) -> int:
        """Of files."""
        return 0o600 if self.group is None else 0o640

    @property
    def directory_mode(self) -> int:
        """Of folders."""
        return 0o700 if self.group is None else 0o2750

    @property
    def socket_mode(self) -> int:
        """Of the socket."""
        if self.own_socket_mode is not None:
            return self.own_socket_mode
        return 0o600 if self.group is None else 0o660


def make_directory(path: Path, access: Access) -> None:
    """Makes a directory and its parents; *access* holds for those that are new, whatever the umask.

    Raises:
        OSError: it can't be made; or it is there, or its parents are, and others than we have a hand in it.
    """
    _make_missing(path, access)
    check_safe(path)


def _make_missing(path: Path, access: Access) -> None:
    if path.is_dir():
        return
    _make_missing(path.parent, access)
    path.mkdir(0o700, exist_ok=True)
    # Somebody may have been quicker where everybody may write, such as /tmp.
    check_safe(path)
    if access.group is not None:
        os.chown(path, -1, access.group)
    path.chmod(access.directory_mode)


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Replaces the content of *path* at once: after a power cut it is the old or the new, never a part."""
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        os.fchmod(descriptor, mode)
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_directory(path.parent)


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of *data*, in as many calls as it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


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
