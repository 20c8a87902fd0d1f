#!/usr/bin/env python3
"""Makes the pages of the reference from the programs themselves, and the keys in the viewer's page.

``python docs/generate.py`` writes them; with ``--check`` it writes nothing, names what is out of date and exits with 1.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Final, get_args

import msgspec

from esper_protocol import events
from esper_protocol.codec import decode_server_message
from esper_protocol.framing import FrameReader
from esper_protocol.messages import ErrorCode
from esperctl.command_line import COMMANDS, GROUPS, Command, group_parser, parser_of, top_parser
from esperctl.errors import RequestError
from esperctl.event_json import event_objects
from esperctl.viewer.model.actions import ACTIONS, GROUPS as ACTION_GROUPS, SEND_PREFIX
from esperctl.viewer.model.keymap import KeyMap, key_text
from esperd import errors as daemon_errors
from esperd.cli import parser as daemon_parser
from esperd.configuration import reference

DOCS: Final = Path(__file__).resolve().parent
SPEC: Final = DOCS.parent / "protocol" / "SPEC.md"
VECTORS: Final = DOCS.parent / "protocol" / "vectors" / "events.jsonl"
COLUMNS: Final = 110
KEYS_BEGIN: Final = "<!-- keys: made by docs/generate.py -->"
KEYS_END: Final = "<!-- end of keys -->"
_COMMANDS_TEXT: Final = """\
What `--help` prints. Options stand in any order, before or after the names. `list` is another name of `boards`,
`monitor` of `attach`. What commands end with: [exit codes](exit-codes.md)."""
_VARIABLES: Final = (
    ("`ESPER_BOARD`", "the board, where none is named"),
    ("`ESPER_SOCKET`", "the daemon's socket, where none is named; else all are asked that are found"),
    ("`NO_COLOR`", "set and not empty: no colours"),
)
_EVENTS_TEXT: Final = """\
Bytes are base64. Of a `line` event with several lines each is an object of its own. More fields and more kinds may
come; skip what you do not know. How the same looks on the socket: [the protocol](../../protocol/SPEC.md#9-events)."""
_ENVELOPE: Final = (
    ("`kind`", "one of the kinds below"),
    ("`seq`", "the position in the board's journal"),
    ("`at`", "when it was published, RFC 3339, UTC"),
    ("`board`", "the name of the board"),
    ("`generation`", "the session: how often the port was opened"),
    ("`boot`", "how often the firmware started"),
)
_NOTICE: Final = "<!-- Made by docs/generate.py; do not edit. -->"
_SETS: Final = {
    "LineEnd": events.LineEnd,
    "GapReason": events.GapReason,
    "PanicCause": events.PanicCause,
    "CaptureState": events.CaptureState,
    "CaptureEndReason": events.CaptureEndReason,
    "ChecksumVerdict": events.ChecksumVerdict,
}
_CLIENT_CODES: Final = {
    0: "done",
    1: "it ran, and the answer is no: nothing was found, a decode failed, the daemon could not do it",
    2: "the command line is wrong",
    3: "no daemon answers, or the board is absent",
    4: "no such board, core dump or ELF file; or you may not do that",
    75: "busy: somebody else has it, or a core dump is arriving. Trying again later makes sense",
    124: "a deadline passed",
    125: "`run` only: the port could not be handed over",
    126: "`run` only: the command can't be executed",
    127: "`run` only: there is no such command",
    130: "stopped by Ctrl-C",
}
_MISSING_FILES: Final = """\
A file that is not there is 1 where a command reads it by itself (`coredumps decode FILE`, `decode --elf FILE`,
`config check FILE`): it ran, and could not. It is 4 of `elf add`, which names what the daemon is to get, as other
commands name a board or a dump."""
_RUN_CODES: Final = (125, 126, 127)
_DAEMON_CODES: Final = {
    "EXIT_FAILED": "it can't start, or failed; its log says why",
    "EXIT_USAGE": "a flag or the configuration file is wrong. A service is not started again",
    "EXIT_BUSY": "another esperd has the board, the socket or the directory",
    "EXIT_INTERRUPTED": "Ctrl-C before it served, or a second one while it stopped",
}


def commands_page() -> str:
    """Every command, with its help."""
    parts = [
        "# Commands",
        _NOTICE,
        _COMMANDS_TEXT,
        _fenced(top_parser().format_help()),
        _table(("variable", "is"), _VARIABLES),
    ]
    for title, command in _every_command():
        parts += [f"## {title}", _fenced(parser_of(command, title).format_help())]
        if title.count(" ") == 2 and command is next(iter(GROUPS[title.split()[1]].values())):
            group = title.split()[1]
            parts[-2:-2] = [f"## esperctl {group}", _fenced(group_parser(group).format_help())]
    return _page([*parts, "## esperd", _fenced(daemon_parser().format_help())])


def _every_command() -> Iterator[tuple[str, Command]]:
    for name, command in COMMANDS.items():
        if name not in ("list", "monitor"):
            yield f"esperctl {name}", command
    for group, commands in GROUPS.items():
        for name, command in commands.items():
            yield f"esperctl {group} {name}", command


def events_page() -> str:
    """Every kind of event, with its fields and an example."""
    spec = SPEC.read_text("utf-8").partition("\n## 9 ")[2].partition("\n## 10 ")[0]
    sections = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^### |\Z)", spec, re.MULTILINE | re.DOTALL))
    examples = _examples()
    kinds = [(str(kind.__struct_config__.tag), kind) for kind in get_args(events.Body)]
    parts = [
        "# Events",
        _NOTICE,
        "What happens to a board, as `esperctl events` prints it: a JSON object a line. All have these fields:",
        _table(("field", "is"), _ENVELOPE),
        _EVENTS_TEXT,
        "\n".join(f"[`{tag}`](#{tag})" + (" ·" if tag != kinds[-1][0] else "") for tag, _ in kinds),
    ]
    for tag, kind in kinds:
        parts += [f"## `{tag}`", _plain(kind.__doc__ or ""), _fields(tag, kind, sections[tag])]
        parts.append(_fenced(_wrapped(examples[tag]), "json"))
    sets = [f"| {name} | {', '.join(f'`{value}`' for value in get_args(values))} |" for name, values in _SETS.items()]
    return _page([*parts, "## Values", "\n".join(["| set | values |", "|---|---|", *sets])])


def _fields(tag: str, kind: type[msgspec.Struct], section: str) -> str:
    if not kind.__struct_fields__:
        return "No fields of its own."
    rows = {
        row[1].strip("` "): row
        for row in (line.strip("|").split("|") for line in section.splitlines() if line[:2] == "| ")
    }
    lines = ["| field | type | is |", "|---|---|---|"]
    if tag in ("line", "tx"):
        lines.append("| `text` | text | the bytes as text, without the line end; what is not UTF-8 as `\\xff` |")
    for name in kind.__struct_fields__:
        if (tag, name) == ("line", "count"):
            continue  # `esperctl events` prints an object for each line
        _, _, kind_text, _, unit, meaning = (cell.strip() for cell in rows[name])
        lines.append(f"| `{name}` | {kind_text}{f', {unit}' if unit else ''} | {meaning} |")
    return "\n".join(lines)


def _examples() -> dict[str, dict[str, object]]:
    """The first golden message of each kind, as ``esperctl events`` prints it."""
    examples: dict[str, dict[str, object]] = {}
    for line in VECTORS.read_text("utf-8").splitlines():
        (payload,) = FrameReader().receive_data(bytes.fromhex(json.loads(line)["hex"]))
        message = decode_server_message(payload)
        if isinstance(message, events.Event):
            shown: dict[str, object] = json.loads(msgspec.json.encode(event_objects(message)[0]))
            examples.setdefault(str(shown["kind"]), shown)
    return examples


def _wrapped(value: dict[str, object]) -> str:
    lines, line = list[str](), "{"
    items = [f"{json.dumps(name)}: {json.dumps(field, ensure_ascii=False)}" for name, field in value.items()]
    for number, item in enumerate(items, 1):
        piece = item + ("," if number < len(items) else "}")
        if len(line) + len(piece) > COLUMNS and line != "{":
            lines.append(line.rstrip())
            line = " "
        line += f"{piece} "
    return "\n".join([*lines, line.rstrip()])


def exit_codes_page() -> str:
    """What the programs end with."""
    codes = {code: text for code, text in _CLIENT_CODES.items() if "run" in COMMANDS or code not in _RUN_CODES}
    meanings = dict(re.findall(r"^\| `(\w+)` \| (.+?) \| \d+ \|$", SPEC.read_text("utf-8"), re.MULTILINE))
    refusals = [(code, RequestError(code, "").exit_code, meanings[code]) for code in get_args(ErrorCode)]
    special = [(title, text) for title, command in _every_command() for text in _exit_sentences(command)]
    own = {name: value for name, value in vars(daemon_errors).items() if name.startswith("EXIT_")}
    parts = [
        "# Exit codes",
        _NOTICE,
        "## esperctl",
        _table(("code", "means"), ((str(code), text) for code, text in codes.items())),
        "A pipe that the reader closes (`esperctl logs | head`) ends it quietly."
        + (" `run` ends with the code of the command that it ran." if "run" in COMMANDS else ""),
        _MISSING_FILES,
        "Of these commands the code says more:",
        _table(("command", "code"), ((f"`{title}`", text) for title, text in special)),
        "When a daemon refuses a request, the kind of its error decides:",
        _table(("error", "code", "means"), ((f"`{code}`", str(number), text) for code, number, text in refusals)),
        "## esperd",
        _table(
            ("code", "means"),
            [("0", "it was stopped"), *((str(value), _DAEMON_CODES[name]) for name, value in own.items())],
        ),
    ]
    return _page(parts)


def _exit_sentences(command: Command) -> list[str]:
    text: str = getattr(import_module(f"esperctl.commands.{command.module}"), "DESCRIPTION", "")
    return [" ".join(sentence.split()) for sentence in re.findall(r"Exit code ([^.]+)\.", text)]


def keys_table() -> str:
    """The keys of the viewer, from its table of actions."""
    keymap = KeyMap()
    rows: list[tuple[str, ...]] = []
    for group in ACTION_GROUPS:
        rows.append((f"**{group}**", "", ""))
        for action in ACTIONS:
            if action.group == group:
                keys = " ".join(f"`{key_text(key)}`" for key in keymap.keys(action.id))
                rows.append((keys, action.title, "" if action.id == SEND_PREFIX else f"`{action.id}`"))
    return _table(("key", "does", "name"), rows)


def viewer_page() -> str:
    """The viewer's page, with the keys as they are."""
    before, _, rest = (DOCS / "viewer.md").read_text("utf-8").partition(KEYS_BEGIN)
    _, _, after = rest.partition(KEYS_END)
    return f"{before}{KEYS_BEGIN}\n\n{keys_table()}\n\n{KEYS_END}{after}"


def _table(heads: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    lines = [heads, *rows]
    texts = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]
    return "\n".join([texts[0], f"|{'---|' * len(heads)}", *texts[1:]])


def _plain(docstring: str) -> str:
    return cleandoc(docstring).replace("``", "`")


def _fenced(text: str, language: str = "text") -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def _page(parts: list[str]) -> str:
    return "\n\n".join(parts) + "\n"


PAGES: Final[dict[str, Callable[[], str]]] = {
    "reference/commands.md": commands_page,
    "reference/events.md": events_page,
    "reference/exit-codes.md": exit_codes_page,
    "viewer.md": viewer_page,
    "configuration.md": reference.markdown,
    "esperd.toml": reference.toml,
    # What `esperctl service install` puts into place.
    "../esperctl/service/esperd.toml": reference.toml,
}


def main(words: list[str]) -> int:
    """Writes what differs, or with ``--check`` only names it."""
    # argparse asks for the width of the terminal.
    os.environ["COLUMNS"] = str(COLUMNS)
    made = {DOCS / name: make() for name, make in PAGES.items()}
    stale = {path: text for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        sys.stdout.write(f"{path.relative_to(DOCS.parent)} is out of date\n")
        if "--check" not in words:
            path.write_text(text, "utf-8")
    return 1 if stale and "--check" in words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
