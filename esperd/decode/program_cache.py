"""The programs that were used last, open: what one has indexed is what makes the next look-up take milliseconds."""

from collections import OrderedDict
from pathlib import Path

from esperd.decode.program import Program
from esperd.decode.request import KnownElf


class ProgramCache:
    """Owns the programs; the one that was not used for longest is closed when there are too many.

    Args:
        size: How many are open at most.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._programs: OrderedDict[tuple[str, str, int, int], Program] = OrderedDict()

    def open(self, elf: KnownElf) -> Program:
        """The program of an ELF file, which stays open after this.

        Raises:
            ProgramError: it is none.
            OSError: it is gone.
        """
        status = Path(elf.path).stat()
        # The file behind a path may be another one by now.
        key = elf.path, elf.sha256, status.st_mtime_ns, status.st_size
        if key not in self._programs:
            self._programs[key] = Program.open(Path(elf.path))
        self._programs.move_to_end(key)
        while len(self._programs) > self._size:
            self._programs.popitem(last=False)[1].close()
        program = self._programs[key]
        program.renew()
        return program

    def clear(self) -> None:
        """Closes all of them."""
        while self._programs:
            self._programs.popitem()[1].close()
