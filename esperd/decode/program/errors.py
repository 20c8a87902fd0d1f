"""What goes wrong with an ELF file: one error for owners, its kinds for the readers in this package."""


class ProgramError(ValueError):
    """The file is not a program this package can read; the message is one sentence."""


class DamagedProgramError(ProgramError):
    """A part of the file contradicts its format or exceeds a limit; look-ups turn it into "unknown"."""


class NoEntryValueError(DamagedProgramError):
    """The caller does not tell what a parameter was at entry: GDB shows such a variable as optimised out."""


class NotAvailableError(DamagedProgramError):
    """A register or a word of memory that an expression needs is not known; the message is GDB's."""
