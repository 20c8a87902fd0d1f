"""Opens files that somebody named, or that were found in a folder: regular ones, and nothing else.

To open a FIFO is to wait for whoever writes to it; to open a serial port raises DTR and RTS, which resets many boards.
Whatever stands at such a path can be one of these, also behind a link and also since we looked at it last.
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """Opens *path* for reading; a link to a regular file is followed.

    Raises:
        OSError: it can't be opened, or is no regular file.
    """
    # A place in the file system without the file behind it: nothing is waited for, no driver hears of it (open(2),
    # O_PATH). What is opened below is this very file, whatever the path names by then.
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        try:
            descriptor = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(place)
    return os.fdopen(descriptor, "rb")


def check_regular(path: Path) -> None:
    """Lets through what `open_regular` opens; for paths that another program is going to open.

    Raises:
        OSError: as there.
    """
    open_regular(path).close()


def read_regular(path: Path) -> bytes:
    """The content of *path*.

    Raises:
        OSError: it can't be read, or is no regular file.
    """
    with open_regular(path) as file:
        return file.read()
