"""Which program a panic is of, among those that are known."""

from collections.abc import Sequence

from esperd.decode.elf_choice import choose_by_sha256, choose_by_trying
from esperd.decode.panic import PanicText, fits
from esperd.decode.program import Program, ProgramError
from esperd.decode.program_cache import ProgramCache
from esperd.decode.request import KnownElf


def choose_program(text: PanicText, elfs: Sequence[KnownElf], programs: ProgramCache) -> Program:
    """By the hash that was printed with it or before it, otherwise by its return addresses; *programs* owns the answer.

    Raises:
        NoElfError: ``no_elf`` or ``ambiguous_elf``.
        ProgramError: its file is no program.
        OSError: its file is gone.
    """
    if text.app_sha256 is not None:
        return programs.open(choose_by_sha256(text.app_sha256, elfs, "panic"))
    return programs.open(choose_by_trying(elfs, text.machine, lambda elf: _fits(text, elf, programs), "panic"))


def _fits(text: PanicText, elf: KnownElf, programs: ProgramCache) -> bool:
    try:
        return fits(text, programs.open(elf))
    except (ProgramError, OSError):
        return False
