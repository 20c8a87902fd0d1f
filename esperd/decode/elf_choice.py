"""Which ELF file is a dump's or a panic's: by the beginning of its SHA-256, or, where it has none, by trying."""

from collections.abc import Callable, Iterable
from typing import Final, Literal

from esperd.decode.errors import DecodeError
from esperd.decode.request import KnownElf
from esperd.decode.rom import is_rom_name

# Fewer digits than the shortest that firmware prints would match by chance.
# Source: esp-idf, CONFIG_APP_RETRIEVE_LEN_ELF_SHA: 8 to 64 digits, 9 by default since 5.2.
MIN_SHA256_DIGITS: Final = 8
# Of what an ELF file is wanted, and the command that takes one.
What = Literal["dump", "panic"]
_COMMANDS: Final[dict[What, str]] = {"dump": "esperctl coredumps decode ID", "panic": "esperctl decode"}
# Each try is a decode of its own; who keeps more programs than this without hashes has to say which.
_MAX_TRIES: Final = 16


class NoElfError(DecodeError):
    """No ELF file, or more than one; ``app_sha256`` is what was looked for."""

    def __init__(self, code: str, message: str, app_sha256: str | None) -> None:
        super().__init__(code, message)
        self.app_sha256 = app_sha256


def usable_sha256(printed: str | None) -> str | None:
    """What a firmware printed, in lower case; None where it says nothing: missing, too short, not hexadecimal, zeros.

    All zeros are printed by an image that was not made by ESP-IDF's tools.
    """
    digits = (printed or "").strip().lower()
    is_hexadecimal = MIN_SHA256_DIGITS <= len(digits) <= 64 and not set(digits) - set("0123456789abcdef")
    return digits if is_hexadecimal and digits.strip("0") else None


def choose_by_sha256(wanted: str, elfs: Iterable[KnownElf], what: What = "dump") -> KnownElf:
    """The only one whose SHA-256 begins with *wanted*.

    Raises:
        NoElfError: ``no_elf`` or ``ambiguous_elf``.
    """
    found = [elf for elf in elfs if elf.sha256.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NoElfError(
            "no_elf",
            f"no ELF file is known whose SHA-256 begins with {wanted}; `esperctl elf add PATH` adds it",
            wanted,
        )
    raise _ambiguous(f"the SHA-256 of {len(found)} ELF files begins with {wanted}", found, wanted, what)


def choose_by_trying(
    elfs: Iterable[KnownElf], machine: str | None, fits: Callable[[KnownElf], bool], what: What = "dump"
) -> KnownElf:
    """The only one for this machine, where that is known, that *fits*; for what does not say which program it is of.

    Raises:
        NoElfError: ``no_elf`` or ``ambiguous_elf``.
    """
    # A chip's ROM has the return addresses of every program for it.
    programs = [elf for elf in elfs if not is_rom_name(elf.name)]
    candidates = [elf for elf in programs if machine is None or elf.machine == machine]
    if len(candidates) > _MAX_TRIES:
        raise _ambiguous(f"the {what} does not say which program it is of", candidates, None, what)
    fitting = [elf for elf in candidates if fits(elf)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise NoElfError(
            "no_elf",
            f"the {what} does not say which program it is of, and no ELF file that is known fits its return addresses; "
            "`esperctl elf add PATH` adds one",
            None,
        )
    raise _ambiguous(f"the {what} does not say which program it is of", fitting, None, what)


def _ambiguous(why: str, found: list[KnownElf], wanted: str | None, what: What) -> NoElfError:
    names = ", ".join(elf.sha256[:16] for elf in found[:4]) + (" …" if len(found) > 4 else "")
    return NoElfError(
        "ambiguous_elf",
        f"{why}: {len(found)} ELF files may be it ({names}); name one with `{_COMMANDS[what]} --elf ELF`",
        wanted,
    )
