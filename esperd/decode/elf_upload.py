"""How ELF files come into the store: copied from a path, or in parts from a client. All of it blocks."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from esper_protocol.records import ElfRecord
from esperd.decode.elf_description import describe_elf
from esperd.decode.elf_store import ElfStore, sha256_of
from esperd.decode.program import ProgramError
from esperd.errors import CommandError

MAX_PART_BYTES: Final = 512 * 1024
_COPY_BYTES: Final = 1024 * 1024
_numbers: Final[Iterator[int]] = itertools.count(1)


class Upload:
    """A file that arrives. Owns a temporary file until it is whole; close it, or use ``with``."""

    def __init__(self, store: ElfStore, sha256: str, size_bytes: int, origin: str) -> None:
        store.check_size(size_bytes, origin)
        self._store = store
        self._sha256 = sha256
        self._size_bytes = size_bytes
        self.origin = origin
        self.path, self._file = store.open_temporary(sha256, next(_numbers))
        self.received_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drops what was received and not taken into the store; harmless when repeated."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def write(self, data: bytes) -> ElfRecord | None:
        """Takes the next part; with the last one the file is stored.

        Raises:
            CommandError: ``bad_request``: more came than was announced, or something else.
            ProgramError: it is no program for an ESP chip.
            OSError: the disk refuses.
        """
        if self.received_bytes + len(data) > self._size_bytes:
            raise CommandError("bad_request", f"{self.origin}: more bytes than the {self._size_bytes} announced")
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]
        self.received_bytes += len(data)
        if self.received_bytes < self._size_bytes:
            return None
        return self._store.take(self.path, self._sha256, self.origin)


def add_file(store: ElfStore, path: Path) -> ElfRecord | None:
    """Copies a file into the store; None when it is there already.

    Raises:
        ProgramError: it is no program for an ESP chip, or changed while it was read.
        CommandError: ``limit``.
        OSError: it can't be read, or the store not be written.
    """
    describe_elf(path)
    sha256 = sha256_of(path)
    if store.get(sha256) is not None:
        return None
    with path.open("rb") as file, Upload(store, sha256, path.stat().st_size, str(path)) as upload:
        record: ElfRecord | None = None
        while data := file.read(_COPY_BYTES):
            record = upload.write(data)
    if record is None:
        raise ProgramError(f"{path} changed while it was read")
    return record
