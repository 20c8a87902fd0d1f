"""Characters and strings as GDB prints them: octal escapes, folded repetitions, an ellipsis after 200 elements."""

from collections.abc import Callable
from itertools import groupby
from typing import Final

from esperd.decode.program.errors import NotAvailableError
from esperd.decode.program.limits import MAX_PRINTED_ELEMENTS, REPEATS_THRESHOLD

_NAMED_ESCAPES: Final = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 92: "\\\\"}
_CHUNK_BYTES: Final = 64


def character(code: int) -> str:
    """A character in quotes, escaped as C does it."""
    return f"'{_escaped(code, 39)}'"


def string(data: bytes, *, is_cut: bool = False) -> str:
    """`"ab", 'x' <repeats 20 times>`; an ellipsis follows when the string *is_cut* or longer than GDB prints."""
    # The NUL at the end is not shown.
    if not is_cut and data.endswith(b"\0"):
        data = data[:-1]
    if not data:
        return '""'
    segments: list[str] = []
    plain = bytearray()
    printed = 0
    for code, group in groupby(data):
        if printed >= MAX_PRINTED_ELEMENTS:
            is_cut = True
            break
        count = sum(1 for _ in group)
        printed += count
        if count <= REPEATS_THRESHOLD:
            plain += bytes((code,)) * count
            continue
        if plain:
            segments.append(_quoted(plain))
            plain.clear()
        segments.append(f"{character(code)} <repeats {count} times>")
    if plain:
        segments.append(_quoted(plain))
    return ", ".join(segments) + ("..." if is_cut else "")


def string_at(address: int, read_memory: Callable[[int, int], bytes]) -> str:
    """The NUL-terminated string at *address*; GDB's error text behind (or instead of) what is known of it."""
    data = b""
    failed = False
    while len(data) < MAX_PRINTED_ELEMENTS and b"\0" not in data:
        size = min(_CHUNK_BYTES, MAX_PRINTED_ELEMENTS - len(data))
        chunk = _readable(address + len(data), size, read_memory)
        data += chunk
        if len(chunk) < size and b"\0" not in chunk:
            failed = True
            break
    end = data.find(0)
    if end >= 0:
        return string(data[: end + 1])
    error = f"<error: Cannot access memory at address {address:#x}>"
    if not failed:
        return string(data, is_cut=True)
    return string(data, is_cut=True) + error if data else error


def _readable(address: int, size: int, read_memory: Callable[[int, int], bytes]) -> bytes:
    """As many of *size* bytes as are known."""
    try:
        return read_memory(address, size)
    except NotAvailableError:
        if size == 1:
            return b""
    half = _readable(address, size // 2, read_memory)
    if len(half) < size // 2:
        return half
    return half + _readable(address + size // 2, size - size // 2, read_memory)


def _quoted(data: bytes | bytearray) -> str:
    return '"' + "".join(_escaped(code, 34) for code in data) + '"'


def _escaped(code: int, quote: int) -> str:
    named = _NAMED_ESCAPES.get(code)
    if named is not None:
        return named
    if code == quote:
        return f"\\{chr(code)}"
    if 0x20 <= code < 0x7F:
        return chr(code)
    return f"\\{code:03o}"
