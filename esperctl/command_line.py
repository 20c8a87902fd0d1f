"""The command line: which commands there are, where they live, and how each is parsed and run."""

import argparse
import gc
from importlib import import_module
from typing import TYPE_CHECKING, Final

import msgspec

from esper_protocol.version import PACKAGE_VERSION, PROTOCOL_VERSION
from esperctl.arguments import (
    Arguments,
    Parser,
    add_global_options,
    defaults,
    split_at_command,
    split_at_dashes,
)
from esperctl.errors import UsageError
from esperctl.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


class Command(msgspec.Struct, frozen=True):
    """Where a command lives (in ``esperctl.commands``), what it does, and how it is called (one call a line)."""

    module: str
    summary: str
    example: str


_BOARDS: Final = Command(
    "boards", "every board of every running daemon", "esperctl boards\nesperctl boards --json | jq -r '.[].board'"
)
_ATTACH: Final = Command(
    "attach",
    "follow a board, and type to it",
    "esperctl attach bench1 --since 10m\nesperctl attach --read-only | grep -m1 ready",
)
COMMANDS: Final = {
    "boards": _BOARDS,
    "list": _BOARDS,
    "status": Command(
        "status", "one board in full", "esperctl status bench1\nesperctl status bench1 >/dev/null || exit"
    ),
    "attach": _ATTACH,
    "monitor": _ATTACH,
    "logs": Command(
        "logs", "what a board said", "esperctl logs bench1 -f -S 10m -g 'wifi|mqtt'\nesperctl logs -o raw >bench1.log"
    ),
    "events": Command(
        "events",
        "every event as JSON lines",
        "esperctl events -f --kind panic --kind coredump_ended\nesperctl events --kind boot | jq -r .reset_reason",
    ),
    "send": Command(
        "send",
        "write a line to a board",
        "esperctl send bench1 'log_level * 3'\nesperctl send bench1 - --eol lf <script.txt",
    ),
    "note": Command("note", "write a remark into its journal", "esperctl note bench1 'swapped the antenna'"),
    "reset": Command("reset", "reset a board by its control lines", "esperctl reset bench1 --bootloader"),
    "break": Command("send_break", "send a break condition", "esperctl break bench1"),
    "run": Command(
        "run",
        "lend the port to a command, and take it back",
        "esperctl run -- idf.py flash\nesperctl run bench1 --timeout 5m -- esptool.py chip_id",
    ),
    "decode": Command("decode", "name the functions of pasted panic text", "esperctl decode --elf app.elf < crash.txt"),
    "doctor": Command(
        "doctor",
        "what is wrong with this machine, and what mends it",
        "esperctl doctor\nsudo esperctl doctor\nesperctl doctor --json | jq -r '.findings[].mend // empty'",
    ),
    "completion": Command(
        "completion",
        "print what makes a shell complete commands and boards",
        "source <(esperctl completion bash)                       # ~/.bashrc\n"
        "source <(esperctl completion zsh)                        # ~/.zshrc\n"
        "esperctl completion fish > ~/.config/fish/completions/esperctl.fish",
    ),
}
COREDUMP_COMMANDS: Final = {
    "list": Command(
        "coredumps_list",
        "stored core dumps, newest last",
        "esperctl coredumps list\nesperctl coredumps list --board bench1 --json",
    ),
    "info": Command(
        "coredumps_info",
        "everything known about one",
        "esperctl coredumps info bench1-17\nesperctl coredumps info bench1-17 --json",
    ),
    "decode": Command(
        "coredumps_decode",
        "decode one again, or a file",
        "esperctl coredumps decode bench1-17 --elf build/app.elf\n"
        "esperctl coredumps decode crash.log --elf build/app.elf\n"
        "zcat crash.log.gz | esperctl coredumps decode - --number 2 --json",
    ),
    "debug": Command(
        "coredumps_debug",
        "start GDB on one",
        "esperctl coredumps debug bench1-17\nesperctl coredumps debug bench1-17 --elf build/app.elf",
    ),
    "export": Command(
        "coredumps_export",
        "copy one out",
        "esperctl coredumps export bench1-17 --format elf -o core.elf\n"
        "esperctl coredumps export bench1-17 --format tar -o - | tar t",
    ),
    "abort": Command("coredumps_abort", "end the capture that is under way", "esperctl coredumps abort bench1"),
    "pin": Command("coredumps_pin", "keep out of retention", "esperctl coredumps pin bench1-17"),
    "unpin": Command("coredumps_unpin", "give back to retention", "esperctl coredumps unpin bench1-17"),
    "rm": Command("coredumps_rm", "delete", "esperctl coredumps rm bench1-17 bench1-18"),
    "prune": Command(
        "coredumps_prune",
        "apply retention now",
        "esperctl coredumps prune --keep 10\nesperctl coredumps prune --board bench1",
    ),
}
ELF_COMMANDS: Final = {
    "list": Command("elf_list", "the ELF files that daemons have", "esperctl elf list"),
    "add": Command(
        "elf_add",
        "give ELF files to the daemons",
        "esperctl elf add build/\nesperctl elf add .pio/build/*/firmware.elf",
    ),
    "rm": Command("elf_rm", "delete", "esperctl elf rm 1b43c5e7"),
}
CONFIG_COMMANDS: Final = {
    "check": Command(
        "config_check", "what is wrong with a configuration file", "esperctl config check /etc/esperd/esperd.toml"
    ),
    "show": Command("config_show", "the settings that hold, and where each comes from", "esperctl config show --json"),
}
SERVICE_COMMANDS: Final = {
    "install": Command(
        "service_install",
        "make esperd a service, and say what each step is for",
        "esperctl service install --dry-run\n"
        "sudo esperctl service install --board ttyUSB0\n"
        "esperctl service install --user --board left --board right",
    ),
    "uninstall": Command(
        "service_uninstall",
        "take away what was installed",
        "sudo esperctl service uninstall --keep\nesperctl service uninstall --user --dry-run",
    ),
}
GROUPS: Final = {
    "coredumps": COREDUMP_COMMANDS,
    "elf": ELF_COMMANDS,
    "config": CONFIG_COMMANDS,
    "service": SERVICE_COMMANDS,
}
# Said on one line of the first help, which has to fit a screen.
_TOGETHER: Final = (("boards", "status"), ("logs", "events"), ("send", "note"), ("reset", "break"))
# Asked by the completion of a shell; not for people.
_COMPLETE: Final = "__complete"
_GROUP_TEXTS: Final = {
    "coredumps": "The core dumps that esperd stored.",
    "elf": "The ELF files that core dumps are decoded with.",
    "config": "The configuration of esperd.",
    "service": "esperd as a service of systemd.",
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
        top_parser().parse_args(before, arguments)
    if name is None:
        raise UsageError("say what to do", "see `esperctl --help`")
    if name == _COMPLETE:
        complete: ModuleType = import_module("esperctl.commands.complete")
        answer: Callable[[list[str], Output], int] = complete.answer
        return answer(rest, Output())
    if name not in GROUPS:
        return _run_command(_find(COMMANDS, name, ""), f"esperctl {name}", rest, arguments)
    before, action, rest = split_at_command(rest)
    if before:
        group_parser(name).parse_args(before, arguments)
    if action is None:
        raise UsageError(f"{name}: say what to do", f"see `esperctl {name} --help`")
    command = _find(GROUPS[name], action, f"{name}: ")
    return _run_command(command, f"esperctl {name} {action}", rest, arguments)


def _find(commands: dict[str, Command], name: str, prefix: str) -> Command:
    if name in commands:
        return commands[name]
    from difflib import get_close_matches  # noqa: PLC0415 - a command that exists need not wait for it

    known = [*commands, *GROUPS] if commands is COMMANDS else [*commands]
    nearest = get_close_matches(name, known, 1)
    guess = f"; did you mean {nearest[0]}?" if nearest else ""
    raise UsageError(f"{prefix}there is no command '{name}'{guess}", f"commands: {', '.join(known)}")


def _run_command(command: Command, title: str, words: list[str], arguments: Arguments) -> int:
    module: ModuleType = import_module(f"esperctl.commands.{command.module}")
    parser = parser_of(command, title)
    run: Callable[[Arguments, Output], int] = module.run
    if parser.takes_command:
        words, arguments.command = split_at_dashes(words, parser)
    if "--" in words:
        parser.parse_args(words, arguments)
    else:
        # Lets options stand between the positionals, but loses what `--` says about those after it.
        parser.parse_intermixed_args(words, arguments)
    gc.freeze()
    gc.enable()
    return run(arguments, Output(arguments.color))


def parser_of(command: Command, title: str) -> Parser:
    """The parser of a command, which also has its help; *title* is how it is called, e.g. ``esperctl elf add``."""
    module: ModuleType = import_module(f"esperctl.commands.{command.module}")
    usage: str | None = getattr(module, "USAGE", None)
    description: str = getattr(module, "DESCRIPTION", None) or f"{command.summary[0].upper()}{command.summary[1:]}."
    parser = Parser(
        title,
        description,
        usage=f"{title} {usage}" if usage else None,
        epilog=f"Also --board, --socket, --json and --color: see `esperctl --help`.\n{_examples(command.example)}",
    )
    add_arguments: Callable[[Parser], None] = module.add_arguments
    add_arguments(parser)
    add_global_options(parser)
    return parser


def _examples(text: str) -> str:
    lines = text.splitlines()
    return "\n  ".join(["examples:" if len(lines) > 1 else "example:", *lines])


def _command_lines() -> str:
    rows = {name: ([name], [command.summary]) for name, command in COMMANDS.items() if name not in _ALIASES}
    for first, second in _TOGETHER:
        names, summaries = rows.pop(second)
        rows[first] = (rows[first][0] + names, rows[first][1] + summaries)
    lines = [(", ".join(names), "; ".join(summaries)) for names, summaries in rows.values()]
    lines += [(name, ", ".join(commands)) for name, commands in GROUPS.items()]
    width = max(len(names) for names, _ in lines)
    return "\n".join(f"  {names:<{width}} {text}" for names, text in lines)


def top_parser() -> Parser:
    """The parser of what may stand before a command, which also has the first help."""
    aliases = ", ".join(f"{alias} = {name}" for alias, name in _ALIASES.items())
    parser = Parser(
        "esperctl",
        f"Watches and drives the boards of esperd ({aliases}).\n\n{_command_lines()}",
        usage="esperctl [--version] [OPTIONS] COMMAND …",
        epilog="example: `esperctl logs bench1 -f`; and `esperctl COMMAND --help` explains each.",
    )
    add_global_options(parser, explain=True)
    version = f"esperctl {PACKAGE_VERSION} (protocol {PROTOCOL_VERSION})"
    parser.add_argument("--version", action="version", version=version, help=argparse.SUPPRESS)
    return parser


def group_parser(name: str) -> Parser:
    """The parser of what may stand between a group's name and its command, which also has the group's help."""
    commands = GROUPS[name]
    lines = "\n".join(f"  {action:<10} {command.summary}" for action, command in commands.items())
    parser = Parser(
        f"esperctl {name}",
        f"{_GROUP_TEXTS[name]}\n\n{lines}",
        usage=f"esperctl {name} [OPTIONS] COMMAND …",
        epilog=f"{_examples(next(iter(commands.values())).example)}\n\n`esperctl {name} COMMAND --help` explains each.",
    )
    add_global_options(parser)
    return parser
