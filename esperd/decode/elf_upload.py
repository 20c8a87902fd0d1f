"""How ELF files come into the store: copied from a path, or in parts from a client. All of it blocks."""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from esper_protocol.records import ElfRecord
from esperd.decode.elf_description import describe_elf
from esperd.decode.elf_store import ElfStore, sha256_of
from esperd.decode.program import ProgramError
from esperd.errors import CommandError
from esperd.system.regular_file import open_regular

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
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drops what was received and not taken into the store; harmless when repeated."""
        self._file.close()
        if self._is_open:
            self._is_open = False
            self.path.unlink(missing_ok=True)

    def write(self, data: bytes) -> ElfRecord | None:
        """Takes the next part; with the last one the file is stored.

        Raises:
            CommandError: ``bad_request``: more came than was announced, or something else; ``limit``: there is no room.
            ProgramError: it is no program for an ESP chip.
            OSError: the disk refuses.
        """
        self.append(data)
        return self._store.take(self.path, self._sha256, self.origin) if self.is_whole else None

    @property
    def is_whole(self) -> bool:
        """Whether all that was announced has come."""
        return self.received_bytes >= self._size_bytes

    def append(self, data: bytes) -> None:
        """Takes the next part, and leaves the store alone.

        Raises:
            CommandError: ``bad_request``: more came than was announced; ``limit``: there is no room for it.
            OSError: the disk refuses.
        """
        if self.received_bytes + len(data) > self._size_bytes:
            raise CommandError("bad_request", f"{self.origin}: more bytes than the {self._size_bytes} announced")
        self._store.check_room(len(data), self.origin)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]
        self.received_bytes += len(data)
        if self.is_whole:
            self._file.close()

    def finish(self) -> ElfRecord | None:
        """Stores what is whole, and closes this; None when the same content has been stored meanwhile.

        Raises:
            CommandError, ProgramError, OSError: as for `write`.
        """
        with self:
            if self._store.get(self._sha256) is not None:
                return None
            return self._store.take(self.path, self._sha256, self.origin)


def copy_file(store: ElfStore, path: Path, check_wanted: Callable[[], object]) -> Upload | None:
    """Copies a file to where the store may take it from, which it is yet to do; None when it is there already.

    Args:
        store: Is only asked.
        path: Of a regular file, or a link to one.
        check_wanted: Called again and again; what it raises ends the copying, and nothing of it is left.

    Raises:
        ProgramError: it is no program for an ESP chip, or changed while it was read.
        CommandError: ``limit``.
        OSError: it can't be read, or the store not be written.
    """
    describe_elf(path)
    sha256 = sha256_of(path)
    check_wanted()
    if store.get(sha256) is not None:
        return None
    with contextlib.ExitStack() as opened:
        file = opened.enter_context(open_regular(path))
        # A file's name may be any bytes, and a record is UTF-8.
        origin = str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        upload = opened.enter_context(Upload(store, sha256, os.fstat(file.fileno()).st_size, origin))
        while data := file.read(_COPY_BYTES):
            check_wanted()
            upload.append(data)
        if not upload.is_whole:
            raise ProgramError(f"{path} changed while it was read")
        check_wanted()
        opened.pop_all()
        file.close()
    return upload
