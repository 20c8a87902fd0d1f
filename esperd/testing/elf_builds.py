"""ELF files as builds leave them, and what else may be called so."""

import contextlib
import fcntl
import os
import signal
import struct
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

from esper_protocol.records import ElfRecord
from esperd.decode.elf_store import ElfStore
from esperd.decode.elf_upload import copy_file
from esperd.simulation.scenarios import FIRMWARE_ELF

# Source: ioctl_tty(2); Python has no names for them.
_TIOCGPTN: Final = 0x80045430
_TIOCSPTLCK: Final = 0x40045431


def build_elf(folder: Path, number: int, name: str = "app.elf") -> Path:
    """A program that differs from all others in its last byte only, and is older than a linker at work."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(FIRMWARE_ELF.read_bytes() + bytes([number]))
    os.utime(path, (time.time() - 60, time.time() - 60))
    return path


def add_elf(store: ElfStore, path: Path) -> ElfRecord:
    """Takes *path* into the store, which has no such file yet, as it is done with one that is found in a folder."""
    copy = copy_file(store, path, lambda: None)
    record = None if copy is None else copy.finish()
    if record is None:
        raise AssertionError(f"{path} is stored already")
    return record


@contextlib.contextmanager
def silent_file(path: Path) -> Generator[None]:
    """Has whoever opens *path* wait, up to 45 s, as for a file of a network that is gone: there is a lease on it.

    Source: fcntl(2), F_SETLEASE.
    """
    # We would be told of each that waits.
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    descriptor = os.open(path, os.O_WRONLY)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield
    finally:
        os.close(descriptor)
        signal.signal(signal.SIGIO, before)


@contextlib.contextmanager
def unopened_terminal() -> Generator[tuple[int, Path]]:
    """The master of a terminal, and the device, which nobody ever opened; once somebody has, the master hangs up."""
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        (number,) = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, bytes(4)))
        yield master, Path(f"/dev/pts/{number}")
    finally:
        os.close(master)
