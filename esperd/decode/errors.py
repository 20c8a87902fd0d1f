"""What can't be decoded at all. Everything else is decoded as far as it goes, and doubts are warnings."""

from pathlib import Path
from typing import Final

from esper_protocol.records import Machine

_KINDS: Final[dict[Machine, str]] = {"riscv": "RISC-V", "xtensa": "Xtensa"}
_OTHERS: Final[dict[Machine, str]] = {"riscv": "an Xtensa", "xtensa": "a RISC-V"}


class DecodeError(ValueError):
    """There is no report; ``code`` is for machines, the message is one sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ElfMismatchError(DecodeError):
    """The ELF file is not the one that the dump was made by."""

    def __init__(self, message: str) -> None:
        super().__init__("elf_mismatch", message)


class WrongChipError(DecodeError):
    """The ELF file is of a program for another kind of processor: no force makes sense of it."""

    def __init__(self, path: Path, machine: Machine, what: str) -> None:
        super().__init__(
            "wrong_chip",
            f"{path} is a program for {_KINDS[machine]} chips, and the {what} is of {_OTHERS[machine]} chip",
        )
