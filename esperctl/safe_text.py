"""Text by strangers on one line of a terminal, and in JSON: nothing in it is obeyed. Pure.

Patterns are compiled where they are used, because most runs of the command never meet anything to replace.
"""

import re
from typing import Final

# The bidirectional controls of Unicode (UAX 9), which reorder a line.
_BIDIRECTIONAL: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# C0 but tab, newline and carriage return; DEL and C1 (ECMA-48).
UNSAFE_CLASS: Final = f"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{_BIDIRECTIONAL}"


def visible(character: str) -> str:
    """A character that a terminal would obey, as text."""
    if character == "\x1b":
        return "␛"
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def safe_text(text: str) -> str:
    """One line of text from anybody, without any control: newlines and styles become visible, too."""
    if text.isascii() and text.isprintable():
        return text
    return re.sub(rf"[\t\r\n\u2028\u2029{UNSAFE_CLASS}]", lambda match: visible(match[0]), text)


def escape_json(document: str) -> str:
    r"""The same JSON document with ``\u`` escapes for what JSON lets pass and a terminal would obey."""
    if document.isascii() and "\x7f" not in document:
        return document
    return re.sub(f"[\x7f-\x9f{_BIDIRECTIONAL}]", lambda match: f"\\u{ord(match[0]):04x}", document)
