"""What every command accepts, before and after its name, and how a command line's errors look."""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from esperctl.errors import UsageError
from esperctl.output import ColourChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed import SupportsWrite
    from typing_extensions import override
else:

    def override(method: object) -> object:
        """Does nothing: typing has the real one from Python 3.12 on."""
        return method


_HELP_COLUMNS: Final = 80
_WITH_VALUE: Final = ("--socket", "--board", "--color")


class Arguments(argparse.Namespace):
    """The parsed command line; each command adds its own attributes to these."""

    socket: str | None
    board: str | None
    json: bool
    color: ColourChoice


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Of a fixed width: to ask the terminal for its own, argparse imports more than all of a command needs."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_HELP_COLUMNS)

    @override
    def _format_usage(
        self,
        usage: str | None,
        actions: "Iterable[argparse.Action]",
        groups: "Iterable[object]",
        prefix: str | None,
    ) -> str:
        """One line: the options stand below it, with what they do."""
        if usage is None:
            words = [self._format_args(action, action.dest) for action in actions if not action.option_strings]
            usage = " ".join([self._prog, "[OPTIONS]", *words])
        del groups  # which options exclude each other: an error says so
        return super()._format_usage(usage, actions, [], prefix)

    @override
    def _format_action_invocation(self, action: argparse.Action) -> str:
        """``-n, --lines N``, where argparse says N twice."""
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, action.dest.upper())
        return f"{', '.join(action.option_strings)} {value}"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions, and which guesses no abbreviations.

    Attributes:
        takes_command: Whether another program's command line follows behind ``--``.
    """

    def __init__(self, name: str, description: str, *, usage: str | None = None, epilog: str | None = None) -> None:
        super().__init__(
            prog=name,
            description=description,
            usage=usage,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=_HelpFormatter,
            add_help=False,
        )
        self.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
        self.takes_command = False

    @property
    def declared(self) -> list[argparse.Action]:
        """Its arguments and options, in order."""
        return self._actions

    @override
    def format_help(self) -> str:
        """All arguments in one list without headings, so that every help fits a screen."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        formatter.start_section(None)
        formatter.add_arguments(self._actions)
        formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    @override
    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        """Raises OSError where help can't be written, which argparse keeps to itself."""
        del file  # errors are printed elsewhere, and all else is asked for
        if sys.stdout is not None:
            sys.stdout.write(message)

    @override
    def error(self, message: str) -> NoReturn:
        """Raises UsageError instead of printing the whole usage."""
        command = self.prog.removeprefix("esperctl").lstrip()
        message = message.removeprefix("argument ")
        raise UsageError(f"{command}: {message}" if command else message, f"see `{self.prog} --help`")


def add_global_options(parser: Parser, *, explain: bool = False) -> None:
    """Adds the options that may stand before and after the command's name; only the first help explains them.

    A command may declare ``--board`` itself before, where it means something else by it.
    """
    suppress = argparse.SUPPRESS
    taken = {flag for action in parser.declared for flag in action.option_strings}
    for flag, metavar, text in (
        ("--socket", "PATH", "the daemon's socket; default: $ESPER_SOCKET, else all found"),
        ("--board", "NAME", "the board; default: $ESPER_BOARD, else the only one"),
    ):
        if flag not in taken:
            parser.add_argument(flag, metavar=metavar, default=suppress, help=text if explain else suppress)
    parser.add_argument(
        "--json",
        action="store_true",
        default=suppress,
        help="one JSON document, or for a stream one object a line" if explain else suppress,
    )
    parser.add_argument(
        "--color",
        metavar="WHEN",
        choices=("auto", "always", "never"),
        default=suppress,
        help="auto, always or never; default: auto, which honours NO_COLOR" if explain else suppress,
    )


def defaults() -> Arguments:
    """The global options as the environment sets them."""
    return Arguments(
        socket=os.environ.get("ESPER_SOCKET") or None,
        board=os.environ.get("ESPER_BOARD") or None,
        json=False,
        color="auto",
    )


def split_at_command(words: list[str]) -> tuple[list[str], str | None, list[str]]:
    """Splits a command line into global options, the command's name (None: there is none), and the rest."""
    index = 0
    while index < len(words) and words[index].startswith("-"):
        index += 2 if words[index] in _WITH_VALUE else 1
    command = words[index] if index < len(words) else None
    return words[:index], command, words[index + 1 :]


def split_at_dashes(words: list[str], parser: Parser) -> tuple[list[str], list[str]]:
    """Splits the words of a command that takes another one, which argparse would take for its own.

    Raises:
        UsageError: there is no other command.
    """
    place = words.index("--") if "--" in words else len(words)
    own, command = words[:place], words[place + 1 :]
    if not command and not {"-h", "--help"} & set(own):
        parser.error("say the command, behind `--`")
    return own, command


def add_board(parser: Parser) -> None:
    """Adds the optional positional BOARD."""
    parser.add_argument("board_word", metavar="BOARD", nargs="?", help="default: --board, or the only board")


def add_steal(parser: Parser) -> None:
    """Adds ``--steal``, of a command that writes to a board."""
    parser.add_argument("--steal", action="store_true", help="also while another user types, who is told by the log")


def chosen_board(arguments: Arguments) -> str | None:
    """The board that was named in any of the ways; a name beside the command wins over the environment."""
    word: str | None = arguments.board_word
    return word if word is not None else arguments.board


def board_and_text(arguments: Arguments, command: str) -> tuple[str | None, str]:
    """Takes ``[BOARD] TEXT`` apart, where BOARD may be left out.

    Raises:
        UsageError: there are more words than two.
    """
    words: list[str] = arguments.words
    if len(words) > 2:
        raise UsageError(
            f"{command}: {len(words)} words, but it takes at most a board and one text", "put the text in quotes"
        )
    return (words[0] if len(words) == 2 else arguments.board), words[-1]


def whole_number(of: str = "") -> "Callable[[str], int]":
    """A type for argparse: a number from 0 on, such as ``of`` lines."""

    def convert(text: str) -> int:
        # What the protocol can carry; int() alone also takes `1_000` and other scripts' digits.
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number{f' of {of}' if of else ''}")
        return int(text)

    return convert
