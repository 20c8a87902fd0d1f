"""The files of a stored core dump, read in parts; and ELF files, sent in parts."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from esper_protocol.messages import AddElf, AddElfPart, ElfStored, FileData, ReadCoredumpFile
from esperctl.client import Client
from esperctl.errors import FailedError, NotPermittedError, UnknownNameError
from esperctl.output import Output
from esperctl.units import bytes_text

# What a daemon takes at once.
_PART_BYTES: Final = 512 * 1024
# The whole file is hashed and checked when its last part comes, which on a slow disk takes its time.
_UPLOAD_TIMEOUT_S: Final = 60.0


def read_file(client: Client, coredump_id: str, name: str) -> Iterator[bytes]:
    """The parts of one file of a core dump."""
    offset, last = 0, False
    while not last:
        part = client.request(ReadCoredumpFile(coredump_id, name, offset), FileData)
        offset += len(part.data)
        # An empty part that is not the last would be asked for again and again.
        last = part.last or not part.data
        yield part.data


def send_elf(client: Client, path: Path, output: Output) -> tuple[ElfStored, bool]:
    """Puts an ELF file into a daemon's store; whether it was new.

    Raises:
        UnknownNameError: there is no such file.
        NotPermittedError: the user may not read it.
        FailedError: it can't be read, or changes meanwhile.
        RequestError: the daemon does not take it.
    """
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.seek(0, 2)
            stored = client.request(AddElf(sha256, size, _path_text(path)), ElfStored, timeout_s=_UPLOAD_TIMEOUT_S)
            if stored.elf is not None:
                return stored, False
            offset = file.seek(0)
            while data := file.read(_PART_BYTES):
                stored = client.request(AddElfPart(offset, data), ElfStored, timeout_s=_UPLOAD_TIMEOUT_S)
                offset += len(data)
                output.progress(f"{path.name}: {bytes_text(offset)} of {bytes_text(size)}")
    except FileNotFoundError as error:
        raise UnknownNameError(f"there is no file {path}") from error
    except PermissionError as error:
        raise NotPermittedError(f"you may not read {path}") from error
    except OSError as error:
        raise FailedError(f"{path} can't be read: {error.strerror or error}") from error
    if stored.elf is None:
        raise FailedError(f"{path} changed while it was read", "try again when the build is over")
    return stored, True


def _path_text(path: Path) -> str:
    # A file name need not be UTF-8, and what is sent has to be.
    return str(path.absolute()).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
