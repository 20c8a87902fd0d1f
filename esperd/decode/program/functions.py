"""Functions of a unit and the inlined ones inside them: which DIEs cover a program counter."""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.abbreviations import Abbreviation, skip
from esperd.decode.program.dies import Die
from esperd.decode.program.limits import MAX_SCOPE_DEPTH
from esperd.decode.program.ranges import Range, die_ranges
from esperd.decode.program.reading import read_uleb
from esperd.decode.program.units import Unit

_CONTAINERS: Final = frozenset((dw.TAG_COMPILE_UNIT, dw.TAG_NAMESPACE))
_NAMED_SCOPES: Final = frozenset((dw.TAG_NAMESPACE, dw.TAG_STRUCTURE_TYPE, dw.TAG_CLASS_TYPE, dw.TAG_UNION_TYPE))
_BLOCKS: Final = frozenset((dw.TAG_LEXICAL_BLOCK, dw.TAG_TRY_BLOCK, dw.TAG_CATCH_BLOCK))
_EXTENT: Final = struct.Struct("<II")
_low_of = itemgetter(0)
_ANONYMOUS_NAMESPACE: Final = "(anonymous namespace)"


@dataclass(frozen=True, slots=True)
class Scope:
    """A function, out of line or inlined, at a program counter, and its lexical blocks there, outermost first."""

    die: Die
    entry_pc: int
    blocks: list[Die]

    @property
    def is_inlined(self) -> bool:
        """Whether the function has no frame of its own."""
        return self.die.tag == dw.TAG_INLINED_SUBROUTINE


class FunctionIndex:
    """The functions of one unit that have code, by address."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._quick = _Parts(unit, is_thorough=False)
        self._thorough: _Parts | None = None

    def at(self, pc: int) -> tuple[Die, Range] | None:
        """The function whose code holds *pc*, and the part of it that does."""
        found = self._quick.at(pc)
        if found is None:
            # Compilers put functions with code at the top level or into namespaces, except local ones.
            if self._thorough is None:
                self._thorough = _Parts(self._unit, is_thorough=True)
            found = self._thorough.at(pc)
        return found


class _Parts:
    """The contiguous parts of functions: first address, one past the last, offset of the function's DIE."""

    def __init__(self, unit: Unit, *, is_thorough: bool) -> None:
        self._unit = unit
        self._parts = sorted(_parts_of_functions(unit, is_thorough=is_thorough))

    def at(self, pc: int) -> tuple[Die, Range] | None:
        index = bisect_right(self._parts, pc, key=_low_of) - 1
        if index < 0 or pc >= self._parts[index][1]:
            return None
        low, high, offset = self._parts[index]
        return self._unit.die_at(offset), (low, high)


def _parts_of_functions(unit: Unit, *, is_thorough: bool) -> list[tuple[int, int, int]]:
    """Of all functions with code; only a thorough search looks into types and other functions."""
    # What looks clumsy here spares a call for each DIE of the unit, together a fifth of the time.
    data, position, end, abbreviations = unit.data, unit.first_die, unit.end, unit.abbreviations
    parts: list[tuple[int, int, int]] = []
    depth = 0
    while position < end:
        start = position
        code = data[position]
        position += 1
        if not code:
            depth -= 1
            if depth <= 0:
                break
            continue
        if code >= 0x80:
            code, position = read_uleb(data, start)
        abbreviation = abbreviations.get(code) or unit.abbreviation(code)
        if abbreviation.tag == dw.TAG_SUBPROGRAM and abbreviation.has_code:
            ranges = _extent(unit, abbreviation, position) or die_ranges(unit.die_at(start))
            unit.work.spend(len(ranges))
            parts += [(low, high, start) for low, high in ranges]
        if abbreviation.has_children and not is_thorough and abbreviation.tag not in _CONTAINERS:
            sibling = unit.sibling(abbreviation, position)
            if sibling is None:
                sibling = unit.after_children(skip(data, position, abbreviation.plan))
            position = sibling
            continue
        size = abbreviation.fixed_size
        position = position + size if size is not None else skip(data, position, abbreviation.plan)
        depth += abbreviation.has_children
    return parts


def _extent(unit: Unit, abbreviation: Abbreviation, position: int) -> list[Range] | None:
    """`die_ranges` of most functions, without decoding the other attributes: a third of the time of an index."""
    if abbreviation.before_extent is None:
        return None
    low, size = _EXTENT.unpack_from(unit.data, skip(unit.data, position, abbreviation.before_extent))
    return [(low, low + size)] if low and size else None


def scopes_at(function: Die, entry_pc: int, pc: int) -> list[Scope]:
    """The function and the inlined ones that hold *pc*, outermost first."""
    scopes = [Scope(function, entry_pc, [])]
    die = function
    for _ in range(MAX_SCOPE_DEPTH):
        inner = next(_children_at(die, pc, 0), None)
        if inner is None:
            break
        die = inner
        if die.tag == dw.TAG_INLINED_SUBROUTINE:
            scopes.append(Scope(die, entry_of(die), []))
        else:
            scopes[-1].blocks.append(die)
    return scopes


def entry_of(die: Die) -> int:
    """The first address of a function or a block: DW_AT_low_pc, DW_AT_entry_pc, or the lowest of its ranges."""
    low = die.address(dw.AT_LOW_PC)
    if low:
        return low
    entry = die.address(dw.AT_ENTRY_PC)
    if entry:
        return entry
    return min((low for low, _ in die_ranges(die)), default=0)


def _children_at(die: Die, pc: int, depth: int) -> Iterator[Die]:
    """Blocks and inlined functions below *die* that hold *pc*; those without addresses count as what is around them."""
    for child in die.children():
        if child.tag != dw.TAG_INLINED_SUBROUTINE and child.tag not in _BLOCKS:
            continue
        if child.has(dw.AT_LOW_PC) or child.has(dw.AT_RANGES):
            if any(low <= pc < high for low, high in die_ranges(child)):
                yield child
        elif child.tag in _BLOCKS and depth < MAX_SCOPE_DEPTH:
            yield from _children_at(child, pc, depth + 1)


def function_name(die: Die) -> str | None:
    """The name GDB shows: with its namespaces and classes in languages that have them."""
    origins = list(die.origins())
    name = next((text for text in (origin.string(dw.AT_NAME) for origin in origins) if text), None)
    if name is None:
        return die.linkage_name()
    if not die.unit.is_qualified:
        return name
    # The last of the origins is the declaration, which stands inside its class.
    scopes = enclosing_names(origins[-1])
    return "::".join([*scopes, name])


def enclosing_names(target: Die) -> list[str]:
    """The names of the namespaces and classes around *target*, outermost first."""
    known = target.unit.enclosing_names.get(target.offset)
    if known is None:
        known = target.unit.enclosing_names[target.offset] = _read_enclosing_names(target)
    return known


def _read_enclosing_names(target: Die) -> list[str]:
    unit, data = target.unit, target.unit.data
    position = unit.first_die
    around: list[int] = []
    while position < target.offset:
        unit.work.spend(1)
        start = position
        code, position = read_uleb(data, position)
        if not code:
            del around[-1:]
            continue
        abbreviation = unit.abbreviation(code)
        sibling = unit.sibling(abbreviation, position)
        if sibling is not None and sibling <= target.offset:
            position = sibling
            continue
        position = skip(data, position, abbreviation.plan)
        if abbreviation.has_children:
            around.append(start)
    scopes = [unit.die_at(offset) for offset in around[:MAX_SCOPE_DEPTH]]
    return [scope.name() or _ANONYMOUS_NAMESPACE for scope in scopes if scope.tag in _NAMED_SCOPES]
