"""All of the daemon that decodes: jobs for core dumps and panics, the ELF store, the folders that feed it."""

import logging
from pathlib import Path
from typing import Final

import trio

from esper_protocol.events import Failure
from esper_protocol.records import ElfRecord
from esperd.decode.elf_store import ElfStore
from esperd.decode.elf_watch import ANSWER_S, ElfWatch
from esperd.decode.jobs import DecodeJobs
from esperd.decode.panic_jobs import PanicJobs

_log: Final = logging.getLogger(__name__)


class Decoding:
    """Runs it.

    Args:
        elf_paths: Files and folders whose ELF files are taken into the store.
        limiter: For the threads that ask the store; never for those that read other folders.
        answer_s: How long one of *elf_paths* may not answer before that is told.
    """

    def __init__(
        self,
        jobs: DecodeJobs,
        panics: PanicJobs,
        elfs: ElfStore,
        elf_paths: tuple[Path, ...],
        limiter: trio.CapacityLimiter,
        answer_s: float = ANSWER_S,
    ) -> None:
        self.jobs = jobs
        self.panics = panics
        self.elfs = elfs
        self.limiter = limiter
        self._elf_paths = elf_paths
        self._watch = ElfWatch(elfs, self.elf_added, self._tell_silence, limiter, answer_s=answer_s)
        self._watching = trio.CancelScope()

    async def run(self) -> None:
        """Works until cancelled; then no process is left."""
        try:
            await trio.to_thread.run_sync(self.elfs.prepare, limiter=self.limiter, abandon_on_cancel=True)
        except OSError as error:
            # Without a store the jobs say what they lack; the boards have nothing to do with it.
            _log.error("ELF store not usable directory=%s error=%s", self.elfs.directory, error)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look)
            nursery.start_soon(self.jobs.run)
            nursery.start_soon(self.panics.run)

    def set_elf_paths(self, paths: tuple[Path, ...]) -> None:
        """Looks into other folders from now on; what was taken from the former ones stays."""
        if paths != self._elf_paths:
            self._elf_paths = paths
            self._watching.cancel()

    async def _look(self) -> None:
        while True:
            with trio.CancelScope() as self._watching:
                await self._watch.run(self._elf_paths)
                # All has been looked at; without a deadline, until there are other paths.
                await trio.sleep_forever()

    def elf_added(self, elf: ElfRecord) -> list[str]:
        """Queues all that an ELF file may be for; returns the ids of the core dumps among it."""
        self.panics.elf_added(elf)
        return self.jobs.elf_added(elf)

    def _tell_silence(self, path: Path) -> None:
        hint = "its files are not looked at until it does; what is stored is decoded as before"
        self.jobs.publish_everywhere(Failure("elf", f"{path}, of the ELF files, does not answer", hint, None))
