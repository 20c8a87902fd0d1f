"""TOML with mistakes: all of them, each with how TOML wants it, and what the rest of the document says.

``tomllib`` stops at the first mistake. So the statement that has it is taken out, and the parser is asked again.
"""

import re
import tomllib
from dataclasses import dataclass
from typing import Final

from esper_protocol.toml_lines import statements

_MOST_MISTAKES: Final = 20
_PLACE: Final = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")
_HEADER: Final = re.compile(r"\s*\[")
# A line that most likely begins a statement, whatever is wrong above it.
_BEGINNING: Final = re.compile(r"""\s*(?:\[{1,2}[\w."' -]+\]{1,2}\s*(?:\#.*)?$|[\w."'-]+\s*=)""")
# A value that may go on in the next line.
_OPEN: Final = re.compile(r"""=\s*(?:[\[{]|\"{3}|'{3})""")
_KEY_AND_VALUE: Final = re.compile(r"""\s*(?P<key>[\w."'-]+)\s*=\s*(?P<value>.*?)\s*(?:\#.*)?$""")
_WITHOUT_EQUALS: Final = re.compile(r"\s*(?P<key>[\w-]+)\s*[\s:]\s*(?P<value>[^\s=].*)$")
# What keys are put under whose header is wrong: no file of ours has such a table.
_STRAY: Final = "esperd: below a wrong header"

_ONE_LINE: Final = "a line is KEY = VALUE, a [table] or a # comment"
_HINTS: Final = (
    ("overwrite", "the key stands twice: leave one of them out"),
    ("twice", "the table stands twice: put all of its keys below one header"),
    ("mutate", "the table stands twice: put all of its keys below one header"),
    ("declaration", "a table is [NAME], a table of which there may be many [[NAME]]"),
    ("Unclosed array", 'an array is ["one", "two"]: a comma or the closing ] is missing'),
    ("inline table", "a table within a line is {KEY = VALUE, KEY = VALUE}"),
    ("Unescaped", r"\ in double quotes begins an escape: write \\, or put the text in single quotes"),
    ("Illegal character", "text ends with the quote that it began with, in the same line"),
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One of them; line and column, both from 1 on, are where the parser noticed it."""

    line: int
    column: int
    text: str
    hint: str


def parse_toml(text: str) -> tuple[dict[str, object], str, list[Mistake]]:
    """What a document says but for its mistakes, the document without them (line by line the same), and these."""
    lines = text.replace("\r\n", "\n").split("\n")
    mistakes: list[Mistake] = []
    while len(mistakes) < _MOST_MISTAKES:
        try:
            table = tomllib.loads("\n".join(lines))
        except tomllib.TOMLDecodeError as error:
            mistakes.append(_take_out(lines, str(error)))
        else:
            table.pop(_STRAY, None)
            return table, "\n".join(lines), mistakes
    return {}, "", mistakes


def _take_out(lines: list[str], message: str) -> Mistake:
    """Takes the statement with the mistake out of *lines*."""
    place = _PLACE.search(message)
    noticed = int(place["line"]) if place and place["line"] else len(lines)
    first = max((line for line, _ in statements("\n".join(lines), unfinished=True) if line <= noticed), default=1)
    statement = lines[first - 1]
    text, line, column = _PLACE.sub("", message), first, len(statement) + 1
    if place and place["line"]:
        line, column = noticed, int(place["column"])
        text += f" (the statement begins in line {first})" if first != noticed else ""
    end = first
    while end < len(lines) and _OPEN.search(statement) and not _BEGINNING.match(lines[end]):
        end += 1
    lines[first - 1 : end] = [""] * (end - first + 1)
    if _HEADER.match(statement):
        # Below no header they would be keys of the table before, and unknown there.
        lines[first - 1] = f'[["{_STRAY}"]]'
    return Mistake(line, column, text, _hint(text, statement))


def _hint(message: str, statement: str) -> str:
    if known := next((hint for words, hint in _HINTS if words in message), None):
        return known
    if written := _KEY_AND_VALUE.match(statement):
        return _value_hint(written["key"], written["value"])
    if written := _WITHOUT_EQUALS.match(statement):
        return f"write {written['key']} = {written['value']}"
    return _ONE_LINE


def _value_hint(key: str, value: str) -> str:
    if not value:
        return f"behind {key} = the value is missing"
    if value.lower() in ("true", "false"):
        return f"write {key} = {value.lower()}"
    if value.startswith(("'''", '"""')):
        return "text in three quotes ends with three of them"
    if value.startswith(("'", '"')):
        return f"one text in quotes stands behind {key} =; one that has ' in it is put in double quotes"
    if value.isdigit():
        return f'a number does not begin with 0: {key} = {int(value)}, and text stands in quotes: {key} = "{value}"'
    if value.startswith(("[", "{")):
        return _ONE_LINE
    return f'text stands in quotes: {key} = "{value}"'
