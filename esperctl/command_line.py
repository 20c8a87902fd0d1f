"""The command line: which commands there are, where they live, and how each is parsed and run."""

import gc
from importlib import import_module
from typing import TYPE_CHECKING, Final

import msgspec

from esper_protocol.version import PACKAGE_VERSION, PROTOCOL_VERSION
from esperctl.arguments import Arguments, Parser, add_global_options, defaults, split_at_command
from esperctl.errors import UsageError
from esperctl.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


class Command(msgspec.Struct, frozen=True):
    """Where a command lives (in ``esperctl.commands``), what it does, and how it is called."""

    module: str
    summary: str
    example: str


_BOARDS: Final = Command("boards", "every board of every running daemon", "esperctl boards --json")
_ATTACH: Final = Command("attach", "follow a board, and type to it", "esperctl attach bench1 --since 10m")
COMMANDS: Final = {
    "boards": _BOARDS,
    "list": _BOARDS,
    "status": Command("status", "one board in full", "esperctl status bench1"),
    "attach": _ATTACH,
    "monitor": _ATTACH,
    "logs": Command("logs", "what a board said", "esperctl logs bench1 -f -S 10m -g 'wifi|mqtt'"),
    "events": Command("events", "every event as JSON lines", "esperctl events -f --kind panic --kind coredump_ended"),
    "send": Command("send", "write a line to a board", "esperctl send bench1 'log_level * 3'"),
    "reset": Command("reset", "reset a board by its control lines", "esperctl reset bench1 --bootloader"),
    "break": Command("send_break", "send a break condition", "esperctl break bench1"),
    "decode": Command("decode", "name the functions of pasted panic text", "esperctl decode --elf app.elf < crash.txt"),
    "note": Command("note", "write a remark into a board's journal", "esperctl note bench1 'swapped the antenna'"),
}
COREDUMP_COMMANDS: Final = {
    "list": Command("coredumps_list", "stored core dumps, newest last", "esperctl coredumps list --json"),
    "info": Command("coredumps_info", "everything known about one", "esperctl coredumps info bench1-17"),
    "decode": Command(
        "coredumps_decode", "decode one again, or a file", "esperctl coredumps decode bench1-17 --elf build/app.elf"
    ),
    "debug": Command("coredumps_debug", "start GDB on one", "esperctl coredumps debug bench1-17"),
    "export": Command(
        "coredumps_export", "copy one out", "esperctl coredumps export bench1-17 --format elf -o core.elf"
    ),
    "abort": Command("coredumps_abort", "end the capture that is under way", "esperctl coredumps abort bench1"),
    "pin": Command("coredumps_pin", "keep out of retention", "esperctl coredumps pin bench1-17"),
    "unpin": Command("coredumps_unpin", "give back to retention", "esperctl coredumps unpin bench1-17"),
    "rm": Command("coredumps_rm", "delete", "esperctl coredumps rm bench1-17 bench1-18"),
    "prune": Command("coredumps_prune", "apply retention now", "esperctl coredumps prune --keep 10"),
}
ELF_COMMANDS: Final = {
    "list": Command("elf_list", "the ELF files that daemons have", "esperctl elf list"),
    "add": Command("elf_add", "give ELF files to the daemons", "esperctl elf add build/"),
    "rm": Command("elf_rm", "delete", "esperctl elf rm 1b43c5e7"),
}
GROUPS: Final = {"coredumps": COREDUMP_COMMANDS, "elf": ELF_COMMANDS}
_GROUP_TEXTS: Final = {
    "coredumps": "The core dumps that esperd stored.",
    "elf": "The ELF files that core dumps are decoded with.",
}
_ALIASES: Final = {"list": "boards", "monitor": "attach"}


def run_command_line(words: list[str]) -> int:
    """Runs the command that *words* name, and returns the exit code.

    Raises:
        EsperctlError: it can't be done; the error carries the exit code.
        SystemExit: help or the version was shown.
    """
    before, name, rest = split_at_command(words)
    arguments = defaults()
    if before:
        _top_parser().parse_args(before, arguments)
    if name is None:
        raise UsageError("say what to do", "see `esperctl --help`")
    if name not in GROUPS:
        return _run_command(_find(COMMANDS, name, ""), f"esperctl {name}", rest, arguments)
    before, action, rest = split_at_command(rest)
    if before:
        _group_parser(name).parse_args(before, arguments)
    if action is None:
        raise UsageError(f"{name}: say what to do", f"see `esperctl {name} --help`")
    command = _find(GROUPS[name], action, f"{name}: ")
    return _run_command(command, f"esperctl {name} {action}", rest, arguments)


def _find(commands: dict[str, Command], name: str, prefix: str) -> Command:
    if name in commands:
        return commands[name]
    known = [*commands, *GROUPS] if commands is COMMANDS else [*commands]
    raise UsageError(f"{prefix}there is no command '{name}'", f"commands: {', '.join(known)}")


def _run_command(command: Command, title: str, words: list[str], arguments: Arguments) -> int:
    module: ModuleType = import_module(f"esperctl.commands.{command.module}")
    usage: str | None = getattr(module, "USAGE", None)
    description: str = getattr(module, "DESCRIPTION", None) or f"{command.summary[0].upper()}{command.summary[1:]}."
    parser = Parser(
        title,
        description,
        usage=f"{title} {usage}" if usage else None,
        epilog=f"Also --board, --socket, --json and --color: see `esperctl --help`.\n\nexample:\n  {command.example}",
    )
    add_arguments: Callable[[Parser], None] = module.add_arguments
    run: Callable[[Arguments, Output], int] = module.run
    add_arguments(parser)
    add_global_options(parser)
    if "--" in words:
        parser.parse_args(words, arguments)
    else:
        # Lets options stand between the positionals, but loses what `--` says about those after it.
        parser.parse_intermixed_args(words, arguments)
    gc.freeze()
    gc.enable()
    return run(arguments, Output(arguments.color))


def _command_lines(commands: dict[str, Command]) -> str:
    return "\n".join(f"  {name:<10} {command.summary}" for name, command in commands.items() if name not in _ALIASES)


def _top_parser() -> Parser:
    groups = "\n".join(f"  {name:<10} {', '.join(commands)}" for name, commands in GROUPS.items())
    aliases = ", ".join(f"{alias} = {name}" for alias, name in _ALIASES.items())
    parser = Parser(
        "esperctl",
        "Watches and drives the ESP32 boards that esperd owns.\n\ncommands:\n"
        f"{_command_lines(COMMANDS)}\n{groups}\n  ({aliases})",
        usage="esperctl [OPTIONS] COMMAND …",
        epilog="example:\n  esperctl logs bench1 -f\n\n`esperctl COMMAND --help` explains each.",
    )
    add_global_options(parser, explain=True)
    version = f"esperctl {PACKAGE_VERSION} (protocol {PROTOCOL_VERSION})"
    parser.add_argument("--version", action="version", version=version, help="show the version and exit")
    return parser


def _group_parser(name: str) -> Parser:
    commands = GROUPS[name]
    lines = "\n".join(f"  {action:<10} {command.summary}" for action, command in commands.items())
    parser = Parser(
        f"esperctl {name}",
        f"{_GROUP_TEXTS[name]}\n\ncommands:\n{lines}",
        usage=f"esperctl {name} [OPTIONS] COMMAND …",
        epilog=f"example:\n  {commands['list'].example}\n\n`esperctl {name} COMMAND --help` explains each.",
    )
    add_global_options(parser)
    return parser
