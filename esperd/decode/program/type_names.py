"""Type names as C writes them: `const char *`, `int [4]`, `void (*)(void *)`."""

from collections.abc import Iterator
from itertools import count
from typing import Final

from esperd.decode.program import constants as dw
from esperd.decode.program.dies import Die
from esperd.decode.program.functions import enclosing_names
from esperd.decode.program.limits import MAX_TYPE_HOPS, MAX_TYPE_NAME_PARTS
from esperd.decode.program.types import dimensions, target_of

_QUALIFIERS: Final = {
    dw.TAG_CONST_TYPE: "const",
    dw.TAG_VOLATILE_TYPE: "volatile",
    dw.TAG_RESTRICT_TYPE: "restrict",
    dw.TAG_ATOMIC_TYPE: "_Atomic",
}
_KEYWORDS: Final = {
    dw.TAG_STRUCTURE_TYPE: "struct",
    dw.TAG_CLASS_TYPE: "class",
    dw.TAG_UNION_TYPE: "union",
    dw.TAG_ENUMERATION_TYPE: "enum",
}
_POINTERS: Final = {
    dw.TAG_POINTER_TYPE: "*",
    dw.TAG_REFERENCE_TYPE: "&",
    dw.TAG_RVALUE_REFERENCE_TYPE: "&&",
}


def type_name(die: Die | None) -> str:
    """The name of a type; `?` stands for what is nested too deeply."""
    before, after = _parts(die, 0, count())
    return before + after


def _parts(die: Die | None, depth: int, counter: Iterator[int]) -> tuple[str, str]:
    """What C writes before and after the name of a variable of the type."""
    # The types of parameters branch, and may come back to where they began.
    if depth > MAX_TYPE_HOPS or next(counter) > MAX_TYPE_NAME_PARTS:
        return "?", ""
    if die is None:
        return "void", ""
    tag = die.tag
    if tag in _POINTERS:
        return _pointer(die, _POINTERS[tag], depth, counter)
    if tag in _QUALIFIERS:
        return _qualified(die, _QUALIFIERS[tag], depth, counter)
    if tag == dw.TAG_ARRAY_TYPE:
        before, after = _parts(target_of(die), depth + 1, counter)
        bounds = "".join(f"[{count or ''}]" for count in dimensions(die))
        separator = "" if before.endswith("(*") else " "
        return before + separator, bounds + after
    if tag == dw.TAG_SUBROUTINE_TYPE:
        before, after = _parts(target_of(die), depth + 1, counter)
        return before + " ", f"({_parameters(die, depth, counter)}){after}"
    return _named(die), ""


def _pointer(die: Die, sign: str, depth: int, counter: Iterator[int]) -> tuple[str, str]:
    target = target_of(die)
    before, after = _parts(target, depth + 1, counter)
    if target is not None and target.tag in (dw.TAG_ARRAY_TYPE, dw.TAG_SUBROUTINE_TYPE):
        return f"{before}({sign}", f"){after}"
    separator = "" if before.endswith(("*", "&", "(")) else " "
    return f"{before}{separator}{sign}", after


def _qualified(die: Die, qualifier: str, depth: int, counter: Iterator[int]) -> tuple[str, str]:
    target = target_of(die)
    before, after = _parts(target, depth + 1, counter)
    if target is not None and target.tag in _POINTERS:
        return f"{before} {qualifier}", after
    return f"{qualifier} {before}", after


def _parameters(die: Die, depth: int, counter: Iterator[int]) -> str:
    names: list[str] = []
    for child in die.children():
        if len(names) > MAX_TYPE_NAME_PARTS:
            break
        if child.tag == dw.TAG_FORMAL_PARAMETER:
            names.append("".join(_parts(target_of(child), depth + 1, counter)))
        elif child.tag == dw.TAG_UNSPECIFIED_PARAMETERS:
            names.append("...")
    return ", ".join(names) or "void"


def _named(die: Die) -> str:
    name = die.name()
    keyword = _KEYWORDS.get(die.tag)
    if die.unit.is_qualified:
        qualified = "::".join([*enclosing_names(die), name]) if name else None
        return qualified or f"{keyword or '?'} {{...}}"
    if keyword is None:
        return name or "?"
    return f"{keyword} {name or '{...}'}"


def parameter_types(function: Die) -> str:
    """What GDB writes behind the name of a C++ function: `(char*, int) const`, nothing in other languages."""
    if not function.unit.is_qualified:
        return ""
    declaration = list(function.origins())[-1]
    names: list[str] = []
    suffix = ""
    for child in declaration.children():
        if child.tag == dw.TAG_FORMAL_PARAMETER:
            if not child.flag(dw.AT_ARTIFICIAL):
                names.append(_linkage_type(target_of(child), 0))
            elif not names and " const*" in _linkage_type(target_of(child), 0):
                suffix = " const"
        elif child.tag == dw.TAG_UNSPECIFIED_PARAMETERS:
            names.append("...")
    return f"({', '.join(names)}){suffix}"


def _linkage_type(die: Die | None, depth: int) -> str:
    """A type as demanglers write it: without typedefs, qualifiers behind what they qualify (`char const*`)."""
    if die is None:
        return "void"
    if depth > MAX_TYPE_HOPS:
        return "?"
    target = target_of(die)
    if die.tag == dw.TAG_TYPEDEF:
        return _linkage_type(target, depth + 1)
    if die.tag in _QUALIFIERS:
        return f"{_linkage_type(target, depth + 1)} {_QUALIFIERS[die.tag]}"
    if die.tag in _POINTERS and (target is None or target.tag not in (dw.TAG_ARRAY_TYPE, dw.TAG_SUBROUTINE_TYPE)):
        return _linkage_type(target, depth + 1) + _POINTERS[die.tag]
    return type_name(die)
