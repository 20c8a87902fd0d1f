"""All of the daemon that decodes: jobs for core dumps and panics, the ELF store, the folders that feed it."""

import logging
from pathlib import Path
from typing import Final

import trio

from esper_protocol.records import ElfRecord
from esperd.decode.elf_store import ElfStore
from esperd.decode.elf_watch import ElfWatch
from esperd.decode.jobs import DecodeJobs
from esperd.decode.panic_jobs import PanicJobs

_log: Final = logging.getLogger(__name__)


class Decoding:
    """Runs it.

    Args:
        elf_paths: Files and folders whose ELF files are taken into the store.
        limiter: For the threads that touch the store; one at a time, so that its limit holds.
    """

    def __init__(
        self,
        jobs: DecodeJobs,
        panics: PanicJobs,
        elfs: ElfStore,
        elf_paths: tuple[Path, ...],
        limiter: trio.CapacityLimiter,
    ) -> None:
        self.jobs = jobs
        self.panics = panics
        self.elfs = elfs
        self.limiter = limiter
        self._elf_paths = elf_paths
        self._watching = trio.CancelScope()

    async def run(self) -> None:
        """Works until cancelled; then no process is left."""
        try:
            await trio.to_thread.run_sync(self.elfs.prepare, limiter=self.limiter)
        except OSError as error:
            # Without a store the jobs say what they lack; the boards have nothing to do with it.
            _log.error("ELF store not usable directory=%s error=%s", self.elfs.directory, error)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            nursery.start_soon(self.jobs.run)
            nursery.start_soon(self.panics.run)

    def set_elf_paths(self, paths: tuple[Path, ...]) -> None:
        """Looks into other folders from now on; what was taken from the former ones stays."""
        if paths != self._elf_paths:
            self._elf_paths = paths
            self._watching.cancel()

    async def _watch(self) -> None:
        while True:
            with trio.CancelScope() as self._watching:
                await ElfWatch(self.elfs, self._elf_paths, self.elf_added, self.limiter).run()
                # All has been looked at; without a deadline, until there are other paths.
                await trio.sleep_forever()

    def elf_added(self, elf: ElfRecord) -> list[str]:
        """Queues all that an ELF file may be for; returns the ids of the core dumps among it."""
        self.panics.elf_added(elf)
        return self.jobs.elf_added(elf)
