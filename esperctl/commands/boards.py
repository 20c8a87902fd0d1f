"""``esperctl boards``: every board of every running daemon."""

import msgspec

from esper_protocol.records import BoardRecord
from esperctl.arguments import Arguments, Parser
from esperctl.daemons import open_daemons
from esperctl.errors import EXIT_DONE
from esperctl.output import Output
from esperctl.tables import table
from esperctl.times import local_text

_HEADER = ("BOARD", "PORT", "STATE", "SESSION", "BOOT", "VIEWERS", "WRITER", "LAST CRASH")


def add_arguments(parser: Parser) -> None:
    """Adds nothing: there is nothing to choose."""
    parser.set_defaults()


def run(arguments: Arguments, output: Output) -> int:
    """Lists the boards, daemon by daemon."""
    with open_daemons(arguments.socket, output) as daemons:
        found = [(record, daemon.client.path) for daemon in daemons.found for record in daemon.boards]
    if arguments.json:
        output.document([{**msgspec.structs.asdict(record), "socket": path} for record, path in found])
    elif found:
        for line in table(_HEADER, [_row(record) for record, _ in found]):
            output.line(line)
    else:
        output.talk("no boards; name their ports when you start esperd")
    return EXIT_DONE


def _row(record: BoardRecord) -> tuple[str, ...]:
    return (
        record.board,
        record.port,
        _state_text(record),
        str(record.generation),
        str(record.boot),
        str(record.viewers),
        record.writer or "-",
        crash_text(record) or "-",
    )


def _state_text(record: BoardRecord) -> str:
    state = "capturing" if record.capture else record.state
    trouble, _, _ = (record.disk or "").partition(":")
    return f"{state}, disk {trouble}" if trouble else state


def crash_text(record: BoardRecord) -> str | None:
    """When and why the board crashed last."""
    crash = record.last_crash
    if crash is None:
        return None
    dump = f" ({crash.coredump})" if crash.coredump else ""
    return f"{local_text(crash.at)} {crash.cause}: {crash.reason}{dump}"
