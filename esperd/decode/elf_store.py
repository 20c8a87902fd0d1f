"""The store of ELF files: each once, under its SHA-256, with a record of where it came from.

``SHA.elf`` is the file, ``SHA.json`` its ElfRecord; the modification time of the latter says when it was last used, so
that the ones that nobody needs go first when the store is full. Several daemons may share a store: nothing here relies
on being the only one, and what another one added is found at the next look. All methods block: they run in a thread.
"""

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from esper_protocol.records import ElfRecord
from esperd.decode.elf_description import describe_elf
from esperd.decode.request import KnownElf
from esperd.errors import CommandError
from esperd.storage.files import TEMPORARY_SUFFIX, Access, has_room, make_directory, replace_file, sync_directory
from esperd.system.clock import rfc3339, wall_ns
from esperd.system.regular_file import open_regular, read_regular

MIN_PREFIX_DIGITS: Final = 4
_SHA256: Final = re.compile("[0-9a-f]{64}")
_ELF_SUFFIX: Final = ".elf"
_RECORD_SUFFIX: Final = ".json"
# What arrives: the sum that was announced, whose it is (process and run of it), and a number. In a container each run
# has the same process number.
_ARRIVING: Final = re.compile(r"[0-9a-f]{64}\.([0-9]+)\.(?:([0-9a-f]{8})-)?[0-9]+" + re.escape(TEMPORARY_SUFFIX))
_RUN: Final = secrets.token_hex(4)


def is_sha256(text: str) -> bool:
    """Whether *text* is a whole SHA-256 sum, and so may be part of a file's name."""
    return _SHA256.fullmatch(text) is not None


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content.

    Raises:
        OSError: it can't be read.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ElfStore:
    """The ELF files of one state directory.

    Args:
        directory: Holds the files.
        access: Of what is made.
        limit_bytes: What all of them together may have.
        builtin: Files that are known without being stored.
        free_disk_percent: Below this much free disk nothing more is taken.
    """

    def __init__(
        self,
        directory: Path,
        limit_bytes: int,
        access: Access,
        builtin: tuple[Path, ...] = (),
        free_disk_percent: float = 0,
    ) -> None:
        self.directory = directory
        self.limit_bytes = limit_bytes
        self.free_disk_percent = free_disk_percent
        self._access = access
        self.builtin = builtin
        self._described: dict[Path, KnownElf] = {}

    # Looking ------------------------------------------------------------------------------------------

    def records(self) -> list[ElfRecord]:
        """What is stored, oldest first.

        Raises:
            OSError: the folder can't be read.
        """
        if not self.directory.is_dir():
            return []
        found = [record for path in self.directory.glob(f"*{_RECORD_SUFFIX}") if (record := self._read(path))]
        return sorted(found, key=lambda record: record.added_at)

    def known(self) -> list[KnownElf]:
        """What a dump may be of: the stored files, and the built-in ones."""
        stored = [
            KnownElf(path=str(self.path(record.sha256)), sha256=record.sha256, machine=record.machine, name=record.name)
            for record in self.records()
        ]
        hashes = {elf.sha256 for elf in stored}
        return stored + [elf for elf in self._describe_builtin() if elf.sha256 not in hashes]

    def path(self, sha256: str) -> Path:
        """Where the file is. Only ever called with whole SHA-256 sums."""
        return self.directory / f"{sha256}{_ELF_SUFFIX}"

    def get(self, sha256: str) -> ElfRecord | None:
        """The record of a file; None when it is not stored."""
        return self._read(self.directory / f"{sha256}{_RECORD_SUFFIX}") if is_sha256(sha256) else None

    def find(self, prefix: str) -> ElfRecord:
        """The only stored file whose SHA-256 begins with *prefix*.

        Raises:
            CommandError: ``unknown_elf``, or ``bad_request``: too few digits, or several files.
        """
        wanted = prefix.lower()
        if len(wanted) < MIN_PREFIX_DIGITS:
            raise CommandError("bad_request", f"{prefix!r} is too short: give at least {MIN_PREFIX_DIGITS} digits")
        found = [record for record in self.records() if record.sha256.startswith(wanted)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise CommandError("unknown_elf", f"no stored ELF file begins with {prefix}", "see `esperctl elf list`")
        names = ", ".join(record.sha256[: len(wanted) + 8] for record in found)
        raise CommandError("bad_request", f"{len(found)} stored ELF files begin with {prefix}: {names}")

    def _read(self, path: Path) -> ElfRecord | None:
        try:
            record = msgspec.json.decode(read_regular(path), type=ElfRecord)
            used_ns = path.stat().st_mtime_ns
            # A power cut may leave an empty file where the record is whole.
            is_whole = self.path(path.stem).stat().st_size == record.size_bytes
        except (OSError, msgspec.DecodeError):
            # Removed meanwhile, or half of what a kill left; adding it again makes it whole.
            return None
        record.used_at = rfc3339(used_ns) if used_ns else None
        return record if is_whole and record.sha256 == path.stem else None

    def _describe_builtin(self) -> list[KnownElf]:
        for path in (wanted := self.builtin):
            if path not in self._described:
                machine = describe_elf(path).machine
                self._described[path] = KnownElf(path=str(path), sha256=sha256_of(path), machine=machine)
        return [self._described[path] for path in wanted]

    # Changing -----------------------------------------------------------------------------------------

    def prepare(self) -> int:
        """Removes what killed daemons left half written; returns how many files.

        Raises:
            OSError: the folder can't be made or read.
        """
        make_directory(self.directory, self._access)
        left = [path for path in self.directory.glob(f"*{TEMPORARY_SUFFIX}") if _is_left(path.name)]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def note_use(self, path: Path) -> None:
        """Remembers that a file was of use just now; one that is not of the store is left alone."""
        if path.parent == self.directory:
            # Not the file's own time: whoever has it open would take it for changed.
            with contextlib.suppress(OSError):
                os.utime(path.with_suffix(_RECORD_SUFFIX))

    def remove(self, sha256: str) -> None:
        """Deletes a file. The record first: without it the rest is nothing."""
        (self.directory / f"{sha256}{_RECORD_SUFFIX}").unlink(missing_ok=True)
        self.path(sha256).unlink(missing_ok=True)

    def take(self, temporary: Path, sha256: str, origin: str) -> ElfRecord:
        """Makes a whole file a part of the store, and makes room for it; *temporary* is gone afterwards.

        Raises:
            ProgramError: it is no program for an ESP chip.
            CommandError: ``bad_request``: it has another SHA-256.
            OSError: the store can't be written.
        """
        description = describe_elf(temporary)
        if (actual := sha256_of(temporary)) != sha256:
            raise CommandError("bad_request", f"{origin}: its SHA-256 is {actual}, not {sha256}", "add it again")
        size_bytes = temporary.stat().st_size
        self._make_room(size_bytes)
        record = ElfRecord(
            sha256=sha256,
            name=Path(origin).name,
            path=origin,
            size_bytes=size_bytes,
            added_at=rfc3339(wall_ns()),
            machine=description.machine,
            project=description.project,
            version=description.version,
        )
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(self.path(sha256))
        # Durable before the record that says that it is there.
        sync_directory(self.directory)
        record_path = self.directory / f"{sha256}{_RECORD_SUFFIX}"
        replace_file(record_path, msgspec.json.encode(record), self._access.file_mode)
        # Not used yet: the time of its last use is that of its record's modification.
        os.utime(record_path, ns=(0, 0))
        return record

    def check_size(self, size_bytes: int, origin: str) -> None:
        """Whether a file may be stored at all.

        Raises:
            CommandError: ``limit``, or ``bad_request`` for a size that is none.
        """
        if size_bytes <= 0:
            raise CommandError("bad_request", f"{origin} is empty")
        if size_bytes > self.limit_bytes:
            raise CommandError(
                "limit",
                f"{origin} has {size_bytes} bytes, more than all ELF files together may have ({self.limit_bytes})",
                "raise limits.elf_store_bytes",
            )

    def check_room(self, size_bytes: int, origin: str) -> None:
        """Whether so much more of a file that arrives may be written.

        Raises:
            CommandError: ``limit``: the disk is nearly full, or so much arrives already as all files may have.
            OSError: the folder can't be read.
        """
        if not has_room(self.directory, self.free_disk_percent):
            room = f"less than {self.free_disk_percent:g} % of the disk" if self.free_disk_percent else "nothing"
            raise CommandError("limit", f"{origin}: {room} is free at {self.directory}", "make room, then add it again")
        # What is on disk, also by other daemons, and not what was announced: to announce costs nothing.
        if sum(map(_size, self.directory.glob(f"*{TEMPORARY_SUFFIX}"))) + size_bytes > self.limit_bytes:
            raise CommandError(
                "limit",
                f"{origin}: more ELF files arrive at one time than may be stored ({self.limit_bytes} bytes)",
                "add it again in a while, or raise limits.elf_store_bytes",
            )

    def open_temporary(self, sha256: str, number: int) -> tuple[Path, BinaryIO]:
        """A new file for something that arrives; its name says which daemon's it is, and which run's.

        Raises:
            OSError: it can't be made.
        """
        make_directory(self.directory, self._access)
        path = self.directory / f"{sha256}.{os.getpid()}.{_RUN}-{number}{TEMPORARY_SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        return path, os.fdopen(os.open(path, flags, self._access.file_mode), "wb", buffering=0)

    def _make_room(self, size_bytes: int) -> None:
        records = sorted(self.records(), key=lambda record: record.used_at or record.added_at)
        total = sum(record.size_bytes for record in records) + size_bytes
        for record in records:
            if total <= self.limit_bytes:
                return
            self.remove(record.sha256)
            total -= record.size_bytes


def _is_left(name: str) -> bool:
    """Whether a temporary file is one that arrived, at a daemon that is no more."""
    # What is no such file is a record, which a daemon is writing.
    if (arriving := _ARRIVING.fullmatch(name)) is None:
        return False
    pid, run = arriving.groups()
    return run != _RUN if int(pid) == os.getpid() else not Path(f"/proc/{pid}").exists()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # it has arrived


def known_in(directories: Iterable[Path]) -> list[KnownElf]:
    """What is stored in several folders, each file once; nothing of those that can't be read."""
    found: dict[str, KnownElf] = {}
    for directory in directories:
        # Another user's is not ours to read, and no reason not to look into our own.
        with contextlib.suppress(OSError):
            found |= {elf.sha256: elf for elf in ElfStore(directory, 0, Access()).known()}
    return list(found.values())
