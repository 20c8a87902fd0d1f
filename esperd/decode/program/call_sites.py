"""Call sites: what a function calls, where it returns to, and what it passes (DWARF 5, 3.4; GNU's before that).

Source of the rules for targets: GDB takes the address of a DIE that has code, and looks declarations up in the symbol
table by their linkage name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.code_index import CodeIndex, FunctionPart
from esperd.decode.program.dies import Die
from esperd.decode.program.expression_shapes import dereferenced_register_of, register_of, stack_offset_of
from esperd.decode.program.functions import entry_of
from esperd.decode.program.limits import MAX_SCOPE_DEPTH, MAX_TAIL_CALL_SEARCH
from esperd.decode.program.units import Unit

_CALL_SITES: Final = frozenset((dw.TAG_CALL_SITE, dw.TAG_GNU_CALL_SITE))
_PARAMETERS: Final = frozenset((dw.TAG_CALL_SITE_PARAMETER, dw.TAG_GNU_CALL_SITE_PARAMETER))
_SCOPES: Final = frozenset((dw.TAG_LEXICAL_BLOCK, dw.TAG_INLINED_SUBROUTINE, dw.TAG_TRY_BLOCK, dw.TAG_CATCH_BLOCK))


@dataclass(frozen=True, slots=True)
class CallParameter:
    """What is passed, and as what: in a register, on the stack (from the CFA), or for the parameter of a DIE."""

    register: int | None
    pointee_of: int | None
    frame_offset: int | None
    parameter_offset: int | None
    value: bytes | None
    pointee_value: bytes | None


@dataclass(frozen=True, slots=True)
class CallSite:
    """A call; ``target`` is None for calls through a pointer, which ``target_expression`` may compute."""

    return_pc: int
    unit: Unit
    is_tail_call: bool
    target: Die | None
    target_expression: bytes | None
    parameters: list[CallParameter] = field(default_factory=list[CallParameter])


class CallSiteIndex:
    """The call sites of functions, read once for each."""

    def __init__(self, code: CodeIndex) -> None:
        self._code = code
        self._sites: dict[int, dict[int, CallSite]] = {}

    def returning_to(self, return_pc: int) -> CallSite | None:
        """The call whose return address is *return_pc*."""
        part = self._code.part_at(return_pc - 1)
        return None if part is None else self.of(part).get(return_pc)

    def of(self, part: FunctionPart) -> dict[int, CallSite]:
        """The calls in a function by their return addresses."""
        sites = self._sites.get(part.die.offset)
        if sites is None:
            sites = {site.return_pc: site for site in _read_sites(part.die, 0)}
            self._sites[part.die.offset] = sites
        return sites

    def target_of(self, site: CallSite) -> int | None:
        """The entry of the function that a call names; None for calls through pointers and unknown functions."""
        target = site.target
        if target is None:
            return None
        if target.has(dw.AT_LOW_PC) or target.has(dw.AT_RANGES):
            return entry_of(target) or None
        if target.flag(dw.AT_DECLARATION):
            name = target.linkage_name() or target.name()
            symbol = None if name is None else self._code.symbols.named(name)
            return None if symbol is None else symbol.address
        return None

    def out_of_line(self, site: CallSite) -> int | None:
        """Like `target_of`, and the copy with code of a function that is also inlined (GDB does not look for it)."""
        known = self.target_of(site)
        if known is not None or site.target is None:
            return known
        name = site.target.linkage_name() or site.target.name()
        symbol = None if name is None else self._code.symbols.named(name)
        part = None if symbol is None else self._code.part_at(symbol.address)
        if symbol is None or part is None:
            return None
        is_copy = any(origin.offset == site.target.offset for origin in part.die.origins())
        return symbol.address if is_copy else None

    def tail_calls_of(self, entry_pc: int) -> list[CallSite]:
        """The calls that leave the function at *entry_pc* for good."""
        part = self._code.part_at(entry_pc)
        if part is None:
            return []
        sites = self.of(part)
        self._code.elf.work.spend(len(sites))
        return [site for site in sites.values() if site.is_tail_call]

    def may_call_itself_by_tail_calls(self, entry_pc: int) -> bool:
        """Whether a chain of tail calls leads back, or one leads to what is not known.

        The caller's call site does not tell what was passed then: the function may have been entered again.
        """
        pending, seen = [entry_pc], {entry_pc}
        while pending:
            function = pending.pop()
            part = self._code.part_at(function)
            if len(seen) > MAX_TAIL_CALL_SEARCH or part is None or part.entry_pc != function:
                return True
            for site in self.tail_calls_of(function):
                target = self.target_of(site)
                if target is None or target == entry_pc:
                    return True
                if target not in seen:
                    seen.add(target)
                    pending.append(target)
        return False

    def tail_call_chain(self, caller_return_pc: int, callee_entry_pc: int) -> list[int]:
        """Return addresses of the tail calls from the function called there to the callee, innermost first.

        Empty when there is no such chain, or more than one.
        """
        site = self.returning_to(caller_return_pc)
        first = None if site is None else self.out_of_line(site)
        if first is None or first == callee_entry_pc:
            return []
        chains = self._chains(first, callee_entry_pc)
        return chains[0] if len(chains) == 1 else []

    def _chains(self, first: int, callee: int) -> list[list[int]]:
        """Up to two chains; functions are not visited twice on one chain."""
        found: list[list[int]] = []
        pending: list[tuple[int, list[int], frozenset[int]]] = [(first, [], frozenset((first,)))]
        for _ in range(MAX_TAIL_CALL_SEARCH):
            if not pending or len(found) > 1:
                return found
            function, chain, seen = pending.pop()
            if len(pending) > MAX_TAIL_CALL_SEARCH:
                return []
            for site in self.tail_calls_of(function):
                target = self.out_of_line(site)
                if target == callee:
                    found.append([site.return_pc, *chain])
                elif target is not None and target not in seen:
                    pending.append((target, [site.return_pc, *chain], seen | {target}))
        return []


def _read_sites(die: Die, depth: int) -> Iterator[CallSite]:
    for child in die.children():
        if child.tag in _CALL_SITES:
            site = _read_site(child)
            if site is not None:
                yield site
        elif child.tag in _SCOPES and depth < MAX_SCOPE_DEPTH:
            yield from _read_sites(child, depth + 1)


def _read_site(die: Die) -> CallSite | None:
    return_pc = die.address(dw.AT_CALL_RETURN_PC) or die.address(dw.AT_LOW_PC)
    if not return_pc:
        return None
    is_tail_call = die.flag(dw.AT_CALL_TAIL_CALL) or die.flag(dw.AT_GNU_TAIL_CALL)
    target = die.reference(dw.AT_CALL_ORIGIN) or die.reference(dw.AT_ABSTRACT_ORIGIN)
    expression = die.block(dw.AT_CALL_TARGET) or die.block(dw.AT_GNU_CALL_SITE_TARGET)
    parameters = [_read_parameter(child) for child in die.children() if child.tag in _PARAMETERS]
    return CallSite(return_pc, die.unit, is_tail_call, target, expression, parameters)


def _read_parameter(die: Die) -> CallParameter:
    location = die.block(dw.AT_LOCATION) or b""
    parameter = die.reference(dw.AT_CALL_PARAMETER) or die.reference(dw.AT_ABSTRACT_ORIGIN)
    return CallParameter(
        register_of(location),
        dereferenced_register_of(location),
        stack_offset_of(location),
        None if parameter is None else parameter.offset,
        die.block(dw.AT_CALL_VALUE) or die.block(dw.AT_GNU_CALL_SITE_VALUE),
        die.block(dw.AT_CALL_DATA_VALUE) or die.block(dw.AT_GNU_CALL_SITE_DATA_VALUE),
    )
