"""Commands that are shown: taken apart, and held against the parsers of the programs they call."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from esperctl.arguments import defaults, split_at_command, split_at_dashes
from esperctl.command_line import COMMANDS, GROUPS, parser_of, top_parser
from esperctl.errors import UsageError
from esperd.cli import parser as daemon_parser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SEPARATORS: Final = frozenset({"|", "||", "&&", ";", "&", "(", ")"})
_REDIRECTIONS: Final = frozenset({">", ">>", "<", ">&", "2>"})
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*=.*")
_VARIABLE_AT: Final = re.compile(r"<\([^)]*\)")


@dataclass(frozen=True)
class Shown:
    """A command as it is shown, with the lines that follow it; ``is_span``: within a sentence."""

    place: str
    text: str
    output: tuple[str, ...] = ()
    is_span: bool = False


def without_comment(line: str) -> str:
    """The line up to a comment behind two spaces, or all of it."""
    return re.split(r"(?:^|\s)#\s", line, maxsplit=1)[0].rstrip()


def joined(lines: Iterable[str]) -> Iterator[str]:
    """Lines, where one that ends in a backslash goes on in the next."""
    pending = ""
    for line in lines:
        pending += line
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        yield pending
        pending = ""


def simple_commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a shell line, without redirections and settings of variables."""
    lexer = shlex.shlex(_VARIABLE_AT.sub("FILE", text), posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    skip_next = False
    for word in lexer:
        if skip_next:
            skip_next = False
        elif word in _REDIRECTIONS or (word.startswith((">", "<")) and set(word) <= set("<>&")):
            if words and words[-1] in ("1", "2"):
                words.pop()
            skip_next = True
        elif word in _SEPARATORS:
            yield from _program(words)
            words = []
        else:
            words.append(word)
    yield from _program(words)


def _program(words: list[str]) -> Iterator[list[str]]:
    while words and _ASSIGNMENT.fullmatch(words[0]) and not words[0].startswith("esp"):
        words = words[1:]
    if words:
        yield words


def called(words: list[str]) -> list[str]:
    """The command that *words* run in the end: behind sudo, or on another machine."""
    if words[0] == "sudo":
        return called(words[1:])
    if words[0] == "ssh" and len(words) > 1:
        rest = [word for word in words[1:] if word != "-t"]
        return called(rest[1:]) if len(rest) > 1 and not rest[0].startswith("-") else words
    return words


def check(words: list[str]) -> None:
    """Parses a command of ours; other programs' are not looked at.

    Raises:
        UsageError: esperctl would refuse it.
        SystemExit: esperd would refuse it.
    """
    if words[0] == "esperd":
        if "--help" not in words and "--version" not in words:
            daemon_parser().parse_args(words[1:])
    elif words[0] == "esperctl":
        _check_client(words[1:])


def _check_client(words: list[str]) -> None:
    before, name, rest = split_at_command(words)
    arguments = defaults()
    if before and before != ["--help"] and before != ["--version"]:
        top_parser().parse_args(before, arguments)
    if name is None or "--help" in rest:
        return
    title = f"esperctl {name}"
    commands = COMMANDS
    if name in GROUPS:
        commands = GROUPS[name]
        _, action, rest = split_at_command(rest)
        title = f"{title} {action}"
        name = action or ""
    if name not in commands:
        raise UsageError(f"there is no command '{title}'")
    parser = parser_of(commands[name], title)
    if parser.takes_command:
        rest, _ = split_at_dashes(rest, parser)
    if "--" in rest:
        parser.parse_args(rest, arguments)
    else:
        parser.parse_intermixed_args(rest, arguments)
