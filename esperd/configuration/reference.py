"""The reference of the configuration, and the commented default file: both are made from the settings themselves.

``python -m esperd.configuration.reference markdown`` and ``… toml`` print them; a test compares them with what is in
``docs``.
"""

import ast
import inspect
import itertools
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from esperd import settings
from esperd.configuration.file import allowed_text, fields_of
from esperd.configuration.sizes import size_text
from esperd.settings import AccessSettings, BoardSettings, DecodeSettings, HookSettings, Limits, Settings

_COLUMNS: Final = 100

# Tables that stand in the file as the header says, in this order, behind the keys of the top level.
TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "[limits]": Limits,
    "[access]": AccessSettings,
    "[decode]": DecodeSettings,
    "[boards.NAME]": BoardSettings,
    "[[on_crash]]": HookSettings,
}
# What a key without a default may look like, as TOML.
EXAMPLES: Final = {
    "state_dir": '"/var/lib/esperd"',
    "runtime_dir": '"/run/esperd"',
    "socket": '"/run/esperd/lab.sock"',
    "socket_group": '"dialout"',
    "socket_mode": '"0660"',
    "gdb_xtensa": '"/opt/esp/bin/xtensa-esp32-elf-gdb"',
    "gdb_riscv": '"/opt/esp/bin/riscv32-esp-elf-gdb"',
    "view": '["@dialout"]',
    "write": '["root", "@dialout"]',
    "administer": '["root"]',
    "port": '"/dev/serial/by-id/usb-Silicon_Labs_CP2102N_0001-if00-port0"',
    "baud": "921600",
    "answer_coredump_prompt": "false",
    "command": '["/usr/local/bin/mail.py", "lab@example.org"]',
}
_MARKDOWN_HEAD: Final = """\
# Configuration

`esperd` reads `--config FILE`, else `$XDG_CONFIG_HOME/esperd/esperd.toml` (`~/.config/esperd/esperd.toml`), else
`/etc/esperd/esperd.toml`. A system service, which is what has `$STATE_DIRECTORY`, reads no other than the latter:
decoders of core dumps may write to its home. A file that may not be looked at is an error, not a missing one. Flags
go before the file; each key of `[limits]` is a flag, too. Nothing has to be configured; [esperd.toml](esperd.toml)
says every default, and is what `esperctl service install` writes. An unknown key or a value that is not allowed is an
error, with the file, the line, what is allowed and the nearest key that is known; all errors of a file are told at
once. A program that is not there keeps nothing from starting: it may come later, and `config check` and the log tell
of it.

    esperctl config check           # what is wrong, without a daemon
    esperctl config show            # every setting that holds, and where it comes from

Both say for which daemon they answer. `/etc/esperd/esperd.toml` is read as the service does, whoever asks, where the
service is installed or for root: with the groups of its user, its directories, what its unit hides from it, and the
flags that the unit and its drop-ins (but for those of single instances) start it with. Any other file is read as a
daemon that you start would. `--system` and `--user` choose. A warning is what the service would do without, such as
ELF files in a home directory.

## Reading it again

`systemctl reload esperd@NAME`, or SIGHUP, has a running daemon read its file again. What has changed is applied to
what it concerns, and no other port notices: a board whose `port` or `baud` is another one is opened anew, which its
journal tells as a `gap`; boards that are new are opened and those that are gone are closed, where the daemon runs the
boards of its file (`esperd` without a PORT); limits, access, ELF folders, commands and the log's level hold from then
on. A file that is not valid changes nothing; nor does one that is not there any more, or that lacks the port of the
board which the daemon was started for: it is the same file that is read, also where there is another one by now. A
`failure` event, the log and the status line of the service say so, and what a file that is taken lacks, such as the
program of an `on_crash`. What can't be read within 20 s changes nothing either. These keep their value until a restart,
and a note says so: `state_dir`, `runtime_dir`, `socket`, `socket_group`, `socket_mode`, `decode_memory_bytes`,
`decode_coredumps` and `decode_backtraces`. A daemon whose terminal was closed stops at SIGHUP.

## Commands for a crash

A crash is a panic after which the program does not run on, or a core dump, or both. It is told once, when the core
dump has arrived and everything is decoded that can be, or `hook_wait_s` after it. Then each `[[on_crash]]` that is
for the board is run: as the daemon's user, in `/`, without a shell, and killed after `timeout_s`, or when the daemon
stops. Nothing that it has started outlives it, also when it ends by itself: what is to go on is to be started by
somebody else, such as `systemd-run`. One that fails is a `failure` event with the end of what it said; the end of what
each said is in the daemon's log. Nothing that a board or a client says can choose a command, or is in its arguments;
its environment has `ESPER_BOARD` and `ESPER_SOCKET`, so that it can call `esperctl`. While the commands of 16 crashes
of a board have not ended, further crashes are counted, as those over the limit are.

On standard input there is one JSON document:

| field | is |
|---|---|
"""
_EXAMPLES_TEXT: Final = """
Examples, to be copied and changed: [a notification on the desktop](hooks/notify_desktop.py), [a mail](hooks/mail.py),
[a chat](hooks/chat_webhook.py).
"""
_TOML_HEAD: Final = """\
# The configuration of esperd: every key with its default, or with an example where it has none. Take away the # before
# what you change. docs/configuration.md says more; `esperctl config check FILE` says what is wrong with a file.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key: what it is for, what is allowed, its default as TOML (None: it has none)."""

    name: str
    text: str
    allowed: str
    default: str | None


def entries_of(table: type[msgspec.Struct]) -> Iterator[Entry]:
    """The keys of a table; those that are tables themselves are not among them."""
    texts = field_texts(table)
    for name, field in fields_of(table).items():
        if table is Settings and name in Settings.__struct_fields__[Settings.__struct_fields__.index("limits") :]:
            continue
        default = field.default if field.default is not msgspec.NODEFAULT else None
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        is_size = name.endswith("_bytes")
        yield Entry(
            name, texts[name], allowed_text(field), None if default is None else _toml(default, is_size=is_size)
        )


def field_texts(table: type[msgspec.Struct]) -> dict[str, str]:
    """What stands below each field in the source; a key without one is told nothing of."""
    module = ast.parse(inspect.getsource(settings))
    body = next(node.body for node in module.body if isinstance(node, ast.ClassDef) and node.name == table.__name__)
    texts: dict[str, str] = {}
    for field, below in itertools.pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = " ".join(text.split())
            case _:
                pass
    return texts


def markdown() -> str:
    """The reference."""
    parts = [_MARKDOWN_HEAD, *(f"| `{name}` | {text} |\n" for name, text in _record_fields()), _EXAMPLES_TEXT]
    parts += ["\n## Keys\n\n### Top level\n\n", *_markdown_table(Settings)]
    for header, table in TABLES.items():
        parts += [f"\n### {header}\n\n{_code(inspect.getdoc(table) or '')}\n\n", *_markdown_table(table)]
    return "".join(parts)


def toml() -> str:
    """The default file."""
    lines = [_TOML_HEAD, *_toml_lines(Settings)]
    for header, table in TABLES.items():
        lines += ["", *_comment(inspect.getdoc(table) or "")]
        # A board or a command that nobody has is not in the defaults.
        lines += [f"#{header.replace('NAME', 'bench1')}" if table in (BoardSettings, HookSettings) else header]
        lines += ["", *_toml_lines(table)]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_table(table: type[msgspec.Struct]) -> Iterator[str]:
    yield "| key | default | allowed | |\n|---|---|---|---|\n"
    for entry in entries_of(table):
        default = "" if entry.default is None else f"`{entry.default}`"
        yield f"| `{entry.name}` | {default} | {entry.allowed} | {_code(entry.text)} |\n"


def _toml_lines(table: type[msgspec.Struct]) -> Iterator[str]:
    for entry in entries_of(table):
        yield from _comment(f"{entry.text} Allowed: {entry.allowed}.")
        default = entry.default if entry.default is not None else EXAMPLES[entry.name]
        yield f"#{entry.name} = {default}"
        yield ""


def _comment(text: str) -> list[str]:
    # Docstrings of this project quote as reStructuredText does; a file for people need not.
    plain = " ".join(text.replace("``", "").split())
    return [f"# {line}" for line in textwrap.wrap(plain, _COLUMNS, break_on_hyphens=False)]


def _code(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _toml(value: object, *, is_size: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if is_size and isinstance(value, int):
        return f'"{size_text(value)}"'
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


def _record_fields() -> Iterator[tuple[str, str]]:
    """The fields of a crash, as its docstring explains them."""
    from esperd.hooks.record import CrashRecord  # noqa: PLC0415 - a daemon that reads its file needs none of this

    lines = (inspect.getdoc(CrashRecord) or "").split("Attributes:\n")[1].splitlines()
    for line in lines:
        name, _, text = line.strip().partition(": ")
        yield name, text


if __name__ == "__main__":
    sys.stdout.write({"markdown": markdown, "toml": toml}[sys.argv[1]]())
