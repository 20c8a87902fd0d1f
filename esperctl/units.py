"""Numbers for people."""

from typing import Final

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB")


def bytes_text(count: int) -> str:
    """A size, e.g. ``512 B``, ``45.3 KiB``, ``1.0 GiB``."""
    if count < 1024:
        return f"{count} B"
    power = min((count.bit_length() - 1) // 10, len(_UNITS))
    return f"{count / 1024**power:.1f} {_UNITS[power - 1]}"


def plural(count: int, noun: str) -> str:
    """A counted noun, e.g. ``1 line``, ``12 lines``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
