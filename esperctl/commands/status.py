"""``esperctl status``: one board in full; the exit code says whether it is connected."""

import msgspec

from esperctl.arguments import Arguments, Parser, add_board, chosen_board
from esperctl.commands.boards import crash_text
from esperctl.daemons import FoundBoard, open_board
from esperctl.errors import EXIT_ABSENT, EXIT_DONE
from esperctl.output import Output
from esperctl.tables import facts
from esperctl.times import local_text
from esperctl.units import bytes_text

DESCRIPTION = "One board in full. Exit code 0: connected, 3: absent or lent, 4: unknown."


def add_arguments(parser: Parser) -> None:
    """Adds the board."""
    add_board(parser)


def run(arguments: Arguments, output: Output) -> int:
    """Shows the board."""
    with open_board(arguments.socket, chosen_board(arguments), output) as found:
        if arguments.json:
            daemon = msgspec.structs.asdict(found.daemon)
            record = msgspec.structs.asdict(found.record)
            output.document({**record, "socket": found.client.path, "daemon": daemon})
        else:
            for line in facts(_facts(found)):
                output.line(line)
    return EXIT_DONE if found.record.state == "connected" else EXIT_ABSENT


def _facts(found: FoundBoard) -> list[tuple[str, str | None]]:
    record, daemon = found.record, found.daemon
    state = f"{record.state}: {record.state_detail}" if record.state_detail else record.state
    firmware = " ".join(filter(None, (record.chip, record.project, record.app_version)))
    kept = f"{bytes_text(record.journal_bytes)}, positions {record.first_seq} to {record.next_seq - 1}"
    return [
        ("board", record.board),
        ("state", state),
        ("disk", f"{record.disk}; what can't be written waits in memory" if record.disk else None),
        ("port", f"{record.port} at {record.baud} baud"),
        ("session", f"{record.generation}, boot {record.boot}"),
        ("firmware", firmware),
        ("ELF SHA-256", record.app_sha256),
        ("viewers", str(record.viewers)),
        ("writer", record.writer or "nobody"),
        ("capturing", record.capture),
        ("last crash", crash_text(record) or "none"),
        ("core dumps", str(record.coredumps)),
        ("journal", kept),
        ("journal path", record.journal_path),
        ("rate", _rate(found)),
        ("daemon", f"esperd {daemon.version}, process {daemon.pid}, since {local_text(daemon.started_at)}"),
        ("socket", found.client.path),
        ("log", daemon.log_path),
    ]


def _rate(found: FoundBoard) -> str | None:
    telemetry = found.record.telemetry
    if telemetry is None:
        return None
    return f"{bytes_text(round(telemetry.bytes_per_s))}/s, {telemetry.events_per_s:.1f} events/s in the last minute"
