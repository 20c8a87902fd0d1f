"""``esperctl elf list``: the ELF files that daemons have."""

from esper_protocol.messages import Elfs, ListElfs
from esper_protocol.records import ElfRecord
from esperctl.arguments import Arguments, Parser
from esperctl.daemons import Daemons, open_daemons
from esperctl.errors import EXIT_DONE
from esperctl.output import Output
from esperctl.tables import table
from esperctl.times import local_text
from esperctl.units import bytes_text

_HEADER = ("SHA-256", "PROJECT", "VERSION", "FOR", "SIZE", "ADDED", "USED", "FROM")
_SHOWN_DIGITS = 16


def add_arguments(parser: Parser) -> None:
    """Adds nothing."""
    parser.set_defaults()


def run(arguments: Arguments, output: Output) -> int:
    """Lists them, oldest first."""
    with open_daemons(arguments.socket, output) as daemons:
        records = _records(daemons)
    if arguments.json:
        output.document(records)
    elif records:
        for line in table(_HEADER, [_row(record) for record in records]):
            output.line(line)
    else:
        output.talk("no ELF files are stored; `esperctl elf add PATH` adds some")
    return EXIT_DONE


def _records(daemons: Daemons) -> list[ElfRecord]:
    found: dict[tuple[str, str], ElfRecord] = {}
    for daemon in daemons.found:
        # Daemons of one user share a store.
        for record in daemon.client.request(ListElfs(), Elfs).elfs:
            found[daemon.record.state_dir, record.sha256] = record
    return sorted(found.values(), key=lambda record: record.added_at)


def _row(record: ElfRecord) -> tuple[str, ...]:
    return (
        record.sha256[:_SHOWN_DIGITS],
        record.project or "-",
        record.version or "-",
        record.machine,
        bytes_text(record.size_bytes),
        local_text(record.added_at),
        "-" if record.used_at is None else local_text(record.used_at),
        record.path,
    )
