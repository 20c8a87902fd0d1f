"""Sizes as people write and read them (``4194304``, ``"4 MiB"``, ``4M``), and how long they say something takes."""

import re
from typing import Final

from esperd.settings import GIB, KIB, MIB

_UNITS: Final = {"": 1, "B": 1, "KIB": KIB, "MIB": MIB, "GIB": GIB, "K": KIB, "M": MIB, "G": GIB}
# Digits enough for any disk; more would only make numbers that nothing can hold.
_SIZE: Final = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([A-Za-z]*)\s*", re.ASCII)
_ALLOWED: Final = "allowed are KiB, MiB, GiB (or a number of bytes)"
# Powers of 1000, bits, and the next power of 1024: what is most likely meant, which the reader is asked.
_MEANT: Final = {"K": ("KiB", 1), "M": ("MiB", 1), "G": ("GiB", 1), "T": ("GiB", 1024)}

_DURATION: Final = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]+)\s*", re.ASCII | re.IGNORECASE)
_DURATION_UNITS_S: Final = {
    **dict.fromkeys(("ms", "msec", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
}


class UnknownUnitError(ValueError):
    """A number with a unit that is not known here; the message says which are."""


def parse_size(text: str) -> int:
    """Reads a size as bytes.

    Raises:
        ValueError: it is none; the message says what is allowed.
        UnknownUnitError: its unit is not known; the message says what may be meant.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size; {_ALLOWED}")
    number, unit = match[1], match[2]
    if unit.upper() not in _UNITS:
        meant, factor = _MEANT.get(unit[0].upper(), ("", 1))
        guess = f': did you mean "{float(number) * factor:g} {meant}"?' if meant else ""
        raise UnknownUnitError(f"{unit} is not known here; {_ALLOWED}{guess}")
    return int(float(number) * _UNITS[unit.upper()])


def size_text(size_bytes: int) -> str:
    """A size in its largest whole unit, such as ``16 MiB``."""
    for unit, factor in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size_bytes % factor == 0:
            return f"{size_bytes // factor} {unit}"
    return str(size_bytes)


def parse_duration_s(text: str) -> float | None:
    """How many seconds *text* most likely means, such as ``10 sec`` or ``1min``; None where that can't be told."""
    match = _DURATION.fullmatch(text)
    factor = None if match is None else _DURATION_UNITS_S.get(match[2].lower())
    return None if match is None or factor is None else float(match[1]) * factor
