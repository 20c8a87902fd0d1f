"""What can't be decoded at all. Everything else is decoded as far as it goes, and doubts are warnings."""


class DecodeError(ValueError):
    """There is no report; ``code`` is for machines, the message is one sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ElfMismatchError(DecodeError):
    """The ELF file is not the one that the dump was made by."""

    def __init__(self, message: str) -> None:
        super().__init__("elf_mismatch", message)
