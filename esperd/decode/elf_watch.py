"""``--elf PATH``: ELF files that are taken into the store at the start, and folders that are looked into repeatedly.

A folder is scanned, not watched with inotify: a build tree is made of hundreds of folders that come and go, each of
which would need a watch of its own, some file systems (NFS, shared folders of a virtual machine) report nothing, and a
build is awaited by a person, for whom two seconds are soon enough. Without a folder nothing runs.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import trio

from esper_protocol.records import ElfRecord
from esperd.decode.elf_store import ElfStore
from esperd.decode.elf_upload import add_file
from esperd.decode.program import ProgramError
from esperd.errors import CommandError

_log: Final = logging.getLogger(__name__)

SCAN_PERIOD_S: Final = 2.0
# A linker is still writing a file that changed just now.
_SETTLED_S: Final = 1.0
# build/app.elf, build/bootloader/bootloader.elf, .pio/build/board/firmware.elf; beyond that it is not an output.
_MAX_DEPTH: Final = 4
_MAX_FILES: Final = 2000


class ElfWatch:
    """Takes what appears at some paths into the store.

    Args:
        on_added: Called on the loop for each file that was not there before.
        limiter: For the thread that reads the disk.
    """

    def __init__(
        self,
        store: ElfStore,
        paths: tuple[Path, ...],
        on_added: Callable[[ElfRecord], object],
        limiter: trio.CapacityLimiter,
        period_s: float = SCAN_PERIOD_S,
    ) -> None:
        self._store = store
        self._paths = paths
        self._on_added = on_added
        self._limiter = limiter
        self._period_s = period_s
        self._seen: dict[Path, tuple[int, int]] = {}
        self._missing: set[Path] = set()

    async def run(self) -> None:
        """Looks once, and where there is a folder, or nothing yet, until cancelled."""
        while True:
            for record in await trio.to_thread.run_sync(self._scan, limiter=self._limiter):
                _log.info("ELF file added sha256=%s path=%s", record.sha256, record.path)
                self._on_added(record)
            if not self._paths or (not self._missing and not any(path.is_dir() for path in self._paths)):
                return
            await trio.sleep(self._period_s)

    def _scan(self) -> list[ElfRecord]:
        added: list[ElfRecord] = []
        for path in self._paths:
            if not path.exists():
                if path not in self._missing:
                    self._missing.add(path)
                    _log.warning("no such ELF file or folder yet path=%s", path)
                continue
            self._missing.discard(path)
            files = find_elf_files(path) if path.is_dir() else iter((path,))
            added += [record for file in files if (record := self._take(file, is_named=file == path))]
        return added

    def _take(self, path: Path, *, is_named: bool) -> ElfRecord | None:
        try:
            status = path.stat()
            state = status.st_mtime_ns, status.st_size
            is_settled = abs(time.time() - status.st_mtime) >= _SETTLED_S
            if self._seen.get(path) == state or not (is_settled or is_named):
                return None
            self._seen[path] = state
            return add_file(self._store, path)
        except (OSError, ProgramError, CommandError) as error:
            # Also the ELF files of other tools are in a folder; one that was named is one that is missed.
            _log.log(logging.WARNING if is_named else logging.DEBUG, "ELF file not added path=%s error=%s", path, error)
            return None


def find_elf_files(folder: Path) -> Iterator[Path]:
    """The files that are called ``*.elf`` in a folder and the folders in it, without following links to folders."""
    found = 0
    for parent, folders, names in os.walk(folder):
        if len(Path(parent).relative_to(folder).parts) >= _MAX_DEPTH - 1:
            folders.clear()
        folders[:] = sorted(name for name in folders if name not in (".git", "CMakeFiles"))
        for name in sorted(names):
            if name.endswith(".elf") and found < _MAX_FILES:
                found += 1
                yield Path(parent) / name
