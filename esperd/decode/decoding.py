"""All of the daemon that decodes: the jobs, the ELF store, and the folders that ELF files come from."""

import logging
from pathlib import Path
from typing import Final

import trio

from esper_protocol.records import ElfRecord
from esperd.decode.elf_store import ElfStore
from esperd.decode.elf_watch import ElfWatch
from esperd.decode.jobs import DecodeJobs

_log: Final = logging.getLogger(__name__)


class Decoding:
    """Runs it.

    Args:
        elf_paths: Files and folders whose ELF files are taken into the store.
        limiter: For the threads that touch the store; one at a time, so that its limit holds.
    """

    def __init__(
        self, jobs: DecodeJobs, elfs: ElfStore, elf_paths: tuple[Path, ...], limiter: trio.CapacityLimiter
    ) -> None:
        self.jobs = jobs
        self.elfs = elfs
        self.limiter = limiter
        self._watch = ElfWatch(elfs, elf_paths, self._on_added, limiter)

    async def run(self) -> None:
        """Works until cancelled; then no process is left."""
        try:
            await trio.to_thread.run_sync(self.elfs.prepare, limiter=self.limiter)
        except OSError as error:
            # Without a store the jobs say what they lack; the boards have nothing to do with it.
            _log.error("ELF store not usable directory=%s error=%s", self.elfs.directory, error)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch.run)
            nursery.start_soon(self.jobs.run)

    def _on_added(self, elf: ElfRecord) -> None:
        self.jobs.elf_added(elf)
