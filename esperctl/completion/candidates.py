"""What may stand at the cursor, as the parsers of the commands say."""

import argparse
from typing import Final, Literal

import msgspec

from esperctl.arguments import Parser
from esperctl.command_line import COMMANDS, GROUPS, Command, group_parser, parser_of, top_parser

Source = Literal["boards", "coredumps", "elfs", "files", "kinds"]
# What a value is, by the name that the help gives it. Those of NO_SOURCES can't be listed.
SOURCES: Final[dict[str, tuple[Source, ...]]] = {
    "BOARD": ("boards",),
    "NAME": ("boards",),
    "[BOARD] TEXT": ("boards",),
    "ID": ("coredumps",),
    "ID|FILE": ("coredumps", "files"),
    "SHA": ("elfs",),
    "K": ("kinds",),
    "ELF": ("files",),
    "FILE": ("files",),
    "PATH": ("files",),
    "DIR": ("files",),
}
NO_SOURCES: Final = frozenset({"N", "REGEX", "S", "SEQ", "T"})
_REPEATED: Final = ("+", "*")


class Candidate(msgspec.Struct, frozen=True):
    """A word that may stand at the cursor."""

    value: str
    description: str = ""


class Wanted(msgspec.Struct, frozen=True):
    """Words that are known, and where to ask for more; ``prefix`` (``--board=``) belongs before each of those."""

    known: list[Candidate] = []
    sources: tuple[Source, ...] = ()
    prefix: str = ""
    socket: str | None = None


class _Place:
    """Where a command line has got to, word by word."""

    def __init__(self) -> None:
        self.parser: Parser = top_parser()
        self.commands: dict[str, Command] | None = COMMANDS
        self.option: argparse.Action | None = None
        self.only_positionals = False
        self.given = 0
        self.socket: str | None = None
        self._title = "esperctl"

    def pass_by(self, word: str) -> None:
        """Takes a word that stands before the cursor."""
        if self.option is not None:
            self._note(self.option, word)
            self.option = None
        elif word == "--" and self.commands is None:
            self.only_positionals = True
        elif word.startswith("-") and word != "-" and not self.only_positionals:
            self._take_option(word)
        elif self.commands is None:
            self.given += 1
        else:
            self._descend(self.commands, word)

    def positional(self) -> argparse.Action | None:
        """The argument that a word at the cursor would be."""
        left = self.given
        for action in self.parser.declared:
            if action.option_strings:
                continue
            if left == 0 or (action.nargs in _REPEATED and action.metavar != "[BOARD] TEXT"):
                return action
            left -= 1
        return None

    def _take_option(self, word: str) -> None:
        name, equals, value = word.partition("=")
        action = option_named(self.parser, name)
        if action is not None and action.nargs != 0:
            if equals:
                self._note(action, value)
            else:
                self.option = action

    def _note(self, action: argparse.Action, value: str) -> None:
        if action.dest == "socket":
            self.socket = value

    def _descend(self, commands: dict[str, Command], word: str) -> None:
        self._title = f"{self._title} {word}"
        if word in commands:
            self.parser, self.commands = parser_of(commands[word], self._title), None
        elif commands is COMMANDS and word in GROUPS:
            self.parser, self.commands = group_parser(word), GROUPS[word]
        else:
            self.parser, self.commands = Parser(self._title, ""), None


def option_named(parser: Parser, name: str) -> argparse.Action | None:
    """The option that is written *name*."""
    return next((action for action in parser.declared if name in action.option_strings), None)


def wanted(before: list[str], current: str) -> Wanted:
    """What may stand at the cursor, which is at the end of *current*, behind the words *before*."""
    place = _Place()
    for word in before:
        place.pass_by(word)
    if place.only_positionals and place.parser.takes_command:
        return Wanted(sources=("files",))
    if place.option is not None:
        return _values(place.option, "", place.socket)
    if current.startswith("-") and not place.only_positionals:
        name, equals, _ = current.partition("=")
        if not equals:
            return Wanted(_options(place.parser))
        action = option_named(place.parser, name)
        return Wanted() if action is None else _values(action, f"{name}=", place.socket)
    if place.commands is not None:
        return Wanted(_commands(place.commands))
    positional = place.positional()
    return Wanted() if positional is None else _values(positional, "", place.socket)


def _values(action: argparse.Action, prefix: str, socket: str | None) -> Wanted:
    if action.choices is not None:
        return Wanted([Candidate(f"{prefix}{choice}") for choice in action.choices], (), prefix, socket)
    return Wanted([], SOURCES.get(str(action.metavar), ()), prefix, socket)


def _options(parser: Parser) -> list[Candidate]:
    # The options that every command takes are explained in the first help only; others that have no help are not for
    # people.
    explained = {flag: action.help for action in top_parser().declared for flag in action.option_strings}
    found: list[Candidate] = []
    for action in parser.declared:
        for flag in action.option_strings:
            if action.help == argparse.SUPPRESS and flag not in explained:
                continue
            text = explained.get(flag) if action.help == argparse.SUPPRESS else action.help
            found.append(Candidate(flag, "" if text in (None, argparse.SUPPRESS) else str(text)))
    return found


def _commands(commands: dict[str, Command]) -> list[Candidate]:
    found = [Candidate(name, command.summary) for name, command in commands.items()]
    if commands is COMMANDS:
        found += [Candidate(name, ", ".join(group)) for name, group in GROUPS.items()]
    return found
