"""``--elf PATH``: ELF files that are taken into the store at the start, and folders that are looked into repeatedly.

A folder is scanned, not watched with inotify: a build tree is made of hundreds of folders that come and go, each of
which would need a watch of its own, some file systems (NFS, shared folders of a virtual machine) report nothing, and a
build is awaited by a person, for whom two seconds are soon enough. Without a folder nothing runs.

A folder of a network may also not answer for hours, and whoever reads it hangs in the kernel meanwhile. So each path
has a task, and a thread, which nobody waits for but this task; a stop, or other paths, leave it behind.
"""

import errno
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

import trio

from esper_protocol.records import ElfRecord
from esperd.decode.elf_places import FileState, look_at
from esperd.decode.elf_store import ElfStore
from esperd.decode.elf_upload import Upload, copy_file
from esperd.decode.program import ProgramError
from esperd.errors import CommandError

_log: Final = logging.getLogger(__name__)

SCAN_PERIOD_S: Final = 2.0
# A large file on a slow disk, or a folder of thousands of files, takes some seconds.
ANSWER_S: Final = 20.0

# Looks between two tries of what there was no room for: a file is read for each.
_ROOM_PERIODS: Final = 30
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


@dataclass(slots=True, eq=False)
class _Place:
    """A path, what was taken of it, and what was told of it last; ``lacking``: what there was no room for."""

    path: Path
    limiter: trio.CapacityLimiter
    taken: dict[Path, FileState] = field(default_factory=dict[Path, FileState])
    lacking: set[Path] = field(default_factory=set[Path])
    retry_at: float = 0.0
    problem: str = ""
    is_silent: bool = False


class ElfWatch:
    """Takes what appears at some paths into the store.

    Args:
        on_added: Called on the loop for each file that was not there before.
        on_silence: Called with a path that did not answer for *answer_s*; once, until it does.
        limiter: For the thread that changes the store, which reads no path.
        period_s: Between two looks.
    """

    def __init__(
        self,
        store: ElfStore,
        on_added: Callable[[ElfRecord], object],
        on_silence: Callable[[Path], object],
        limiter: trio.CapacityLimiter,
        period_s: float = SCAN_PERIOD_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._store = store
        self._on_added = on_added
        self._on_silence = on_silence
        self._limiter = limiter
        self._period_s = period_s
        self._answer_s = answer_s
        # One thread for each path, also for one that an earlier run left in the kernel: they must not become many.
        self._limiters: dict[Path, trio.CapacityLimiter] = {}

    async def run(self, paths: tuple[Path, ...]) -> None:
        """Looks once, and where there is a folder, or nothing yet, until cancelled."""
        self._limiters = {path: limiter for path, limiter in self._limiters.items() if limiter.borrowed_tokens}
        async with trio.open_nursery() as nursery:
            for path in dict.fromkeys(paths):
                limiter = self._limiters.setdefault(path, trio.CapacityLimiter(1))
                nursery.start_soon(self._watch, _Place(path, limiter))

    async def _watch(self, place: _Place) -> None:
        while True:
            look = await self._ask(place, look_at, place.path)
            if look.problem and look.problem != place.problem:
                _log.warning("ELF file or folder can't be looked at path=%s error=%s", place.path, look.problem)
            elif not look.problem:
                await self._take_new(place, look.files)
            place.problem = look.problem
            if not look.is_lasting and not place.lacking:
                return
            await trio.sleep(self._period_s)

    async def _take_new(self, place: _Place, files: dict[Path, FileState]) -> None:
        place.lacking &= files.keys()
        is_time = trio.current_time() >= place.retry_at
        for file, state in files.items():
            if place.taken.get(file) != state or (is_time and file in place.lacking):
                await self._take(place, file)
        place.taken = files
        if is_time and place.lacking:
            place.retry_at = trio.current_time() + _ROOM_PERIODS * self._period_s

    async def _take(self, place: _Place, file: Path) -> None:
        if copy := await self._ask(place, self._copy, place, file):
            with copy:
                record = await trio.to_thread.run_sync(self._add, place, copy, limiter=self._limiter)
            if record is not None:
                place.lacking.discard(file)
                _log.info("ELF file added sha256=%s path=%s", record.sha256, record.path)
                self._on_added(record)

    async def _ask(self, place: _Place, function: Callable[[*_Ts], _T], *arguments: *_Ts) -> _T:
        """Calls *function* in the path's thread. Without a deadline: nobody waits for the answer, and it may come."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_silence, place)
            answer = await trio.to_thread.run_sync(function, *arguments, limiter=place.limiter, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
        if place.is_silent:
            place.is_silent = False
            _log.info("ELF file or folder answers again path=%s", place.path)
        return answer

    async def _tell_silence(self, place: _Place) -> None:
        await trio.sleep(self._answer_s)
        place.is_silent = True
        _log.warning("ELF file or folder does not answer path=%s", place.path)
        self._on_silence(place.path)

    def _copy(self, place: _Place, path: Path) -> Upload | None:
        """In the path's thread, which is told by an exception when nobody waits for it any more."""
        return _logged(place, path, partial(copy_file, self._store, path, trio.from_thread.check_cancelled))

    @staticmethod
    def _add(place: _Place, copy: Upload) -> ElfRecord | None:
        """In the store's thread."""
        return _logged(place, Path(copy.origin), copy.finish)


def _is_for_want_of_room(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _FULL
    return isinstance(error, CommandError) and error.code == "limit"


def _logged(place: _Place, path: Path, function: Callable[[], _T | None]) -> _T | None:
    try:
        done = function()
    except (OSError, ProgramError, CommandError) as error:
        if not _is_for_want_of_room(error):
            place.lacking.discard(path)
        elif path in place.lacking:
            return None
        else:
            place.lacking.add(path)
        # Also the ELF files of other tools are in a folder; one that was named, or is ours, is one that is missed.
        is_missed = path == place.path or isinstance(error, CommandError)
        level = logging.WARNING if is_missed else logging.DEBUG
        _log.log(level, "ELF file not added path=%s error=%s", path, error)
    except Exception as error:  # noqa: BLE001 - the supervision point of a file: it must not end the daemon
        place.lacking.discard(path)
        _log.error("ELF file not added path=%s", path, exc_info=error)
    else:
        if done is None:
            # Somebody else has added it.
            place.lacking.discard(path)
        return done
    return None
