"""Board names: where ``NAME=`` ends, what may be a name, and which name an endpoint gets by default.

A board's name becomes a folder under the state directory and appears in dump ids, so it has one small alphabet.
"""

from __future__ import annotations

import re

MAX_NAME_LENGTH = 64
"""Characters; leaves room for suffixes within the 255 bytes of a file name, and fits a column of a table."""

NAME_RULE = (
    f"a board's name has at most {MAX_NAME_LENGTH} letters, digits and . _ : @ - and starts with a letter or digit"
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]*")
_NAME_PREFIX = re.compile(r"([A-Za-z0-9][A-Za-z0-9._:@-]*)=")
# `replay:a=b.log` is a file whose name has an equals sign, not a board called `replay:a`.
_ENDPOINT_PREFIXES = ("sim:", "replay:")


def is_board_name(name: str) -> bool:
    """Whether *name* is allowed by ``NAME_RULE``."""
    return len(name) <= MAX_NAME_LENGTH and _NAME.fullmatch(name) is not None


def split_board_name(text: str) -> tuple[str | None, str]:
    """Splits ``[NAME=]ENDPOINT`` into the name, None where absent, and the rest.

    An equals sign inside a URL's query or a path is not a separator: a slash or a question mark comes before it.

    Raises:
        ValueError: There is a name, and it is not allowed.
    """
    prefix = _NAME_PREFIX.match(text)
    if prefix is None:
        before, equals, _ = text.partition("=")
        # No endpoint but a path has an equals sign before any colon or question mark, so this was meant as a name.
        if equals and not before.startswith(("/", "./", "../")) and not re.search("[:?]", before):
            raise ValueError(f"{before!r} cannot name a board: {NAME_RULE}")
        return None, text
    if text.startswith(_ENDPOINT_PREFIXES):
        return None, text
    if not is_board_name(prefix[1]):
        raise ValueError(f"{prefix[1]!r} cannot name a board: {NAME_RULE}")
    return prefix[1], text[prefix.end() :]


def default_board_name(text: str) -> str:
    """Makes a board name of the last path component of *text*, e.g. ``/dev/ttyUSB0`` gives ``ttyUSB0``.

    Too long names keep their end: a by-id link has the maker's name first and the serial number, which is what
    tells two boards apart, last.
    """
    component = text.rstrip("/").rpartition("/")[2]
    name = re.sub(r"[^A-Za-z0-9._:@-]", "-", component)[-MAX_NAME_LENGTH:]
    return re.sub(r"^[^A-Za-z0-9]+", "", name) or "board"
