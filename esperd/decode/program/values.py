"""Values as GDB prints them: numbers, pointers with strings and symbols, enumerations, structures, arrays."""

from typing import Protocol

from esperd.decode.program import constants as dw
from esperd.decode.program.contents import Contents
from esperd.decode.program.dies import Die
from esperd.decode.program.errors import DamagedProgramError, NotAvailableError
from esperd.decode.program.limits import (
    MAX_PRINTED_DEPTH,
    MAX_PRINTED_ELEMENTS,
    MAX_VALUE_BYTES,
    MAX_VALUE_CHARACTERS,
    REPEATS_THRESHOLD,
)
from esperd.decode.program.numbers import base_value, enumeration_value
from esperd.decode.program.texts import string, string_at
from esperd.decode.program.types import (
    REFERENCES,
    STRUCTURES,
    Field,
    dimensions,
    fields,
    is_scalar,
    is_textual,
    resolve,
    size_of,
    target_of,
)

OPTIMIZED_OUT = "<optimized out>"


class ValueEnvironment(Protocol):
    """What printing needs beside the value."""

    def read_memory(self, address: int, size: int) -> bytes:
        """Exactly *size* bytes; raises NotAvailableError."""
        ...

    def symbol_text(self, address: int) -> str | None:
        """`<name+8>`, None where no symbol holds *address*."""
        ...


class ValuePrinter:
    """Prints one value; made anew for each, because it counts the characters."""

    def __init__(self, environment: ValueEnvironment) -> None:
        self._environment = environment
        self._room = MAX_VALUE_CHARACTERS

    def argument(self, die: Die | None, contents: Contents) -> str:
        """A value in a list of arguments: structures and arrays are `...`."""
        return self.value(die, contents) if is_scalar(die) else "..."

    def value(self, die: Die | None, contents: Contents, depth: int = 0) -> str:
        """A value in full."""
        if self._room <= 0:
            return "..."
        text = self._value(resolve(die), contents, depth)
        self._room -= len(text) if depth == 0 or not text.startswith("{") else 2
        return text

    def _value(self, die: Die | None, contents: Contents, depth: int) -> str:
        if die is None:
            return "void"
        if contents.is_missing:
            return OPTIMIZED_OUT
        if die.tag in STRUCTURES:
            return self._structure(die, contents, depth)
        if die.tag == dw.TAG_ARRAY_TYPE:
            return self._array(die, contents, dimensions(die), depth)
        if contents.missing:
            return OPTIMIZED_OUT
        return self._scalar(die, contents, depth)

    def _scalar(self, die: Die, contents: Contents, depth: int) -> str:
        number = int.from_bytes(contents.data, "little")
        size = len(contents.data)
        if die.tag == dw.TAG_BASE_TYPE:
            return base_value(die, number, size)
        if die.tag == dw.TAG_ENUMERATION_TYPE:
            return enumeration_value(die, number, size)
        if die.tag in REFERENCES:
            return self._reference(die, number, depth)
        if contents.pointee is not None:
            return (
                "<synthetic pointer>" if contents.pointee.byte_offset == 0 or not is_textual(target_of(die)) else "..."
            )
        if die.tag in (dw.TAG_POINTER_TYPE, dw.TAG_SUBROUTINE_TYPE):
            return self._pointer(die, number)
        return str(number)

    def _pointer(self, die: Die, address: int) -> str:
        symbol = self._environment.symbol_text(address)
        text = f"{address:#x}" if symbol is None else f"{address:#x} {symbol}"
        if address and die.tag == dw.TAG_POINTER_TYPE and is_textual(target_of(die)):
            text += " " + string_at(address, self._environment.read_memory)
        return text

    def _reference(self, die: Die, address: int, depth: int) -> str:
        target = target_of(die)
        try:
            contents = Contents(self._environment.read_memory(address, size_of(target)), 0, address)
        except NotAvailableError as error:
            return f"@{address:#x}: <error: {error}>"
        return f"@{address:#x}: {self.value(target, contents, depth + 1)}"

    def _structure(self, die: Die, contents: Contents, depth: int) -> str:
        if depth > MAX_PRINTED_DEPTH:
            return "{...}"
        parts: list[str] = []
        for field in fields(die):
            if self._room <= 0:
                parts.append("...")
                break
            parts.append(self._field(field, contents, depth))
        return "{" + (", ".join(parts) or "<No data fields>") + "}"

    def _field(self, field: Field, contents: Contents, depth: int) -> str:
        size = size_of(field.type)
        if field.bits is None:
            text = self.value(field.type, contents.part(field.offset, size), depth + 1)
        else:
            text = self.value(field.type, _bit_field(field, contents, size), depth + 1)
        if field.is_base:
            name = None if field.type is None else field.type.name()
            return f"<{name or '?'}> = {text}"
        return f"{field.name} = {text}" if field.name else text

    def _array(self, die: Die, contents: Contents, counts: list[int], depth: int) -> str:
        element = target_of(die)
        count = counts[0] if counts else 0
        if count == 0:
            # GDB shows where an array without a known size starts.
            address = contents.address
            if address is None:
                return "{}"
            symbol = self._environment.symbol_text(address)
            return f"{address:#x} {symbol}" if symbol else f"{address:#x}"
        if len(counts) == 1 and is_textual(element):
            return OPTIMIZED_OUT if contents.missing else string(contents.data[:count])
        if depth > MAX_PRINTED_DEPTH:
            return "{...}"
        return self._elements(die, contents, counts, depth)

    def _elements(self, die: Die, contents: Contents, counts: list[int], depth: int) -> str:
        element = target_of(die)
        size = size_of(element)
        for inner in counts[1:]:
            size = min(size * inner, MAX_VALUE_BYTES)
        # Elements that are empty, or more of them than bytes, come from damage.
        count = min(counts[0], len(contents.data) // size if size else 1)
        parts: list[str] = []
        index = printed = 0
        while index < count and printed < MAX_PRINTED_ELEMENTS and self._room > 0:
            part = contents.part(index * size, size)
            text = self._array(die, part, counts[1:], depth + 1) if counts[1:] else self.value(element, part, depth + 1)
            repeats = _repeats(contents, index, count, size)
            if repeats > REPEATS_THRESHOLD:
                parts.append(f"{text} <repeats {repeats} times>")
                index += repeats
                printed += REPEATS_THRESHOLD
            else:
                parts.append(text)
                index += 1
                printed += 1
        return "{" + ", ".join(parts) + ("...}" if index < count else "}")


def _repeats(contents: Contents, index: int, count: int, size: int) -> int:
    """How many elements from *index* on are equal."""
    first = contents.data[index * size : (index + 1) * size]
    last = index + 1
    while last < count and contents.data[last * size : (last + 1) * size] == first:
        last += 1
    return last - index


def _bit_field(field: Field, contents: Contents, size: int) -> Contents:
    """The bits as a value of the field's type, sign-extended where that type has a sign."""
    bits = field.bits or 0
    start = 8 * field.offset + field.bit_offset
    if not 0 < bits <= 8 * size <= 8 * MAX_VALUE_BYTES:
        raise DamagedProgramError("a bit field is larger than its type")
    mask = (1 << bits) - 1
    value = int.from_bytes(contents.data, "little") >> start & mask
    resolved = resolve(field.type)
    encoding = None if resolved is None else resolved.number(dw.AT_ENCODING)
    if encoding in (dw.ATE_SIGNED, dw.ATE_SIGNED_CHAR) and value >> (bits - 1):
        value |= ((1 << 8 * size) - 1) & ~mask
    missing = (1 << 8 * size) - 1 if contents.missing >> start & mask else 0
    return Contents(value.to_bytes(size, "little"), missing)
