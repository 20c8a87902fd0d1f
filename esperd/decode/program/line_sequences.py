"""Where the sequences of a line program are, found without running it.

A unit has a sequence for each function, and a question needs one of them. How long an opcode is can be told from its
first bytes, so a regular expression steps over a whole sequence, ten times as fast as running it. Any bytes can be read
in one way at most, so it takes linear time whatever they are.

Source: DWARF 5, 6.2.5.
"""

import functools
import re
from collections.abc import Iterable
from typing import Final

_LEB: Final = rb"[\x80-\xff]*+[\x00-\x7f]"
_SET_ADDRESS: Final = rb"\x00\x05\x02(.{4})"
_END_SEQUENCE: Final = rb"\x00\x01\x01"
# DW_LNE_set_discriminator and others of up to 8 bytes, but for the one that ends a sequence.
_EXTENDED: Final = b"|".join(rb"\x00\x%02x[^\x01].{%d}" % (size, size - 1) for size in range(1, 9))
_FIXED_ADVANCE_PC: Final = 9
# What the interpreter in `lines` takes opcodes up to 8 to have, whatever the header says: none, or one LEB128 number.
_BARE: Final = (1, 6, 7, 8)
_WITH_OPERAND: Final = (2, 3, 4, 5)
# DW_LNS_copy, DW_LNS_advance_pc and DW_LNS_const_add_pc give a row or move.
_MOVING: Final = (1, 2, 8)
# Each step that might be taken back costs memory; longer sequences have to be run.
_MOST_STEPS: Final = 65_535
_NEVER: Final = re.compile(rb"(?!)")


@functools.lru_cache(maxsize=16)
def sequence_pattern(opcode_base: int, operand_counts: bytes) -> re.Pattern[bytes]:
    """Matches one sequence, whose first address is group 1; the units of a toolchain share a pattern.

    It matches only sequences that set their address first, whose extended opcodes are short, and that are not too long.
    Others have to be run.
    """
    counts = operand_counts[_FIXED_ADVANCE_PC : opcode_base - 1]
    if opcode_base <= _FIXED_ADVANCE_PC or len(operand_counts) < opcode_base - 1 or any(count > 1 for count in counts):
        return _NEVER
    bare = [*_BARE, *(number for number, count in enumerate(counts, 10) if not count)]
    with_operand = [*_WITH_OPERAND, *(number for number, count in enumerate(counts, 10) if count)]
    still = _opcodes(set(bare) - set(_MOVING), set(with_operand) - set(_MOVING), rb"(?!\x00\x05\x02)(?:%b)" % _EXTENDED)
    moving = _opcodes([*bare, *range(opcode_base, 256)], with_operand, rb"\x09..|%b" % _EXTENDED)
    return re.compile(still + _SET_ADDRESS + moving + _END_SEQUENCE, re.DOTALL)


def _opcodes(bare: Iterable[int], with_operand: Iterable[int], others: bytes) -> bytes:
    # Runs of bare ones, which most are, in one step each.
    run = rb"[%b]*+" % _escaped(bare)
    # Not possessive: before 3.11.5 Python matched such groups wrongly (https://github.com/python/cpython/issues/106052).
    return rb"(?:%b(?:[%b]%b|%b)){0,%d}%b" % (run, _escaped(with_operand), _LEB, others, _MOST_STEPS, run)


def _escaped(numbers: Iterable[int]) -> bytes:
    return b"".join(rb"\x%02x" % number for number in numbers)
