"""Sizes as people write and read them: ``4194304``, ``"4 MiB"``, ``4M``."""

import re
from typing import Final

from esperd.settings import GIB, KIB, MIB

_UNITS: Final = {"": 1, "B": 1, "KIB": KIB, "MIB": MIB, "GIB": GIB, "K": KIB, "M": MIB, "G": GIB}
# Digits enough for any disk; more would only make numbers that nothing can hold.
_SIZE: Final = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([A-Za-z]*)\s*", re.ASCII)


def parse_size(text: str) -> int:
    """Reads a size as bytes.

    Raises:
        ValueError: it is none; the message says what is allowed.
    """
    match = _SIZE.fullmatch(text)
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError(f"{text!r} is not a size; allowed are bytes, or a number with KiB, MiB or GiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def size_text(size_bytes: int) -> str:
    """A size in its largest whole unit, such as ``16 MiB``."""
    for unit, factor in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size_bytes % factor == 0:
            return f"{size_bytes // factor} {unit}"
    return str(size_bytes)
