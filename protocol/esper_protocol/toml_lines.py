"""Where the keys of a TOML file stand: the line of each, which ``tomllib`` does not tell.

Not part of the protocol; it is here because the daemon and the client have settings files both, and share nothing else.

The parser itself is asked: a statement (a header or a key with its value) always ends at the end of a line, is a
document of its own, and no beginning of it is one. So lines are collected until they parse.
"""

import tomllib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import date, time

# A key with the tables around it, such as ``("limits", "clients")``; tables of an array have numbers from 0 on.
KeyPath: TypeAlias = tuple[str | int, ...]
_Value: TypeAlias = "dict[str, _Value] | list[_Value] | str | float | date | time"


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1 on, that each key and table of a document first stands in.

    Args:
        text: A valid document; of another one, what stands before the error.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, statement in statements(text):
        source = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _opened(source, counts)
            paths = [table[:end] for end in range(1, len(table) + 1)]
        else:
            paths = [table + path for path in _paths(source)]
        for path in paths:
            lines.setdefault(path, line)
    return lines


def line_of(lines: Mapping[KeyPath, int], key: KeyPath) -> int | None:
    """The line of a key, or else of the innermost table around it that is written."""
    around = (lines.get(key[:length]) for length in range(len(key), 0, -1))
    return next((line for line in around if line is not None), None)


def statements(text: str, *, unfinished: bool = False) -> Iterator[tuple[int, str]]:
    """Each with the number of its first line; comments and empty lines come as statements, too.

    Args:
        text: The document.
        unfinished: Whether what does not parse comes last, with all that is behind it.
    """
    pending, first = "", 1
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        pending += line + "\n"
        try:
            tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue
        yield first, pending
        pending, first = "", number + 1
    if unfinished and pending:
        yield first, pending


def _opened(header: dict[str, _Value], counts: dict[KeyPath, int]) -> KeyPath:
    """The table that a header opens, with the number of each array's table on the way."""
    path: list[str | int] = []
    inner: _Value = header
    while isinstance(inner, dict) and inner:
        key, inner = next(iter(inner.items()))
        path.append(key)
        if isinstance(inner, list):
            counts[tuple(path)] = counts.get(tuple(path), -1) + 1
            inner = {}
        if tuple(path) in counts:
            path.append(counts[tuple(path)])
    return tuple(path)


def _paths(value: _Value, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if isinstance(inner, dict):
                yield from _paths(inner, (*path, index))
