"""``esperctl coredumps info``: everything known about one core dump."""

from pathlib import PurePath

import msgspec

from esper_protocol.messages import CoredumpDetails
from esper_protocol.records import CoredumpRecord
from esperctl.arguments import Arguments, Parser
from esperctl.daemons import open_daemons
from esperctl.errors import EXIT_DONE
from esperctl.output import Output
from esperctl.report_text import report_lines
from esperctl.tables import facts, table
from esperctl.times import local_text
from esperctl.units import bytes_text, plural
from esperctl.waiting_dumps import is_waiting, log_command, stored_text_bytes


def add_arguments(parser: Parser) -> None:
    """Adds the id."""
    parser.add_argument("id", metavar="ID", help="as in `esperctl coredumps list`")


def run(arguments: Arguments, output: Output) -> int:
    """Shows the dump."""
    with open_daemons(arguments.socket, output) as daemons:
        _, details = daemons.coredump(arguments.id)
    if arguments.json:
        output.document(_document(details))
        return EXIT_DONE
    for line in facts(_facts(details)):
        output.line(line)
    _print_files(details, output)
    if details.report:
        output.line("\nreport:")
        for line in report_lines(details.report):
            output.line(f"  {line}")
    return EXIT_DONE


def _document(details: CoredumpDetails) -> dict[str, object]:
    report: object = None
    if details.report is not None:
        try:
            report = msgspec.json.decode(details.report)
        except msgspec.DecodeError:
            report = details.report
    files = [msgspec.structs.asdict(file) for file in details.files]
    return {**msgspec.structs.asdict(details.record), "files": files, "report": report}


def _facts(details: CoredumpDetails) -> list[tuple[str, str | None]]:
    record = details.record
    state = f"{record.capture} ({record.end_reason})" if record.end_reason else record.capture
    rejected = f", {plural(record.rejected_lines, 'line')} rejected" if record.rejected_lines else ""
    announced = f" of {record.expected_bytes} announced" if record.expected_bytes is not None else ""
    return [
        ("id", record.id),
        ("board", f"{record.board}, {_session(record)}"),
        ("started", local_text(record.started_at)),
        ("ended", local_text(record.ended_at) if record.ended_at else None),
        ("state", state),
        ("size", f"{record.decoded_bytes} bytes{announced}, checksum {record.checksum or 'not known yet'}"),
        ("text", f"{bytes_text(record.raw_bytes)}, {plural(record.raw_lines, 'line')}{rejected}"),
        ("chip", record.chip),
        ("format", record.format),
        ("app SHA-256", record.app_sha256),
        ("reason", record.reason),
        ("task", record.task),
        ("note", record.note),
        ("on disk", _on_disk(details)),
        ("what to do", _remedy(details)),
        ("pinned", "yes" if record.pinned else "no"),
        (
            "journal",
            f"positions {record.first_seq} to {record.last_seq}" if record.first_seq else "positions not known",
        ),
        ("text file", _if_there(details, record.raw_path)),
        ("core file", _if_there(details, record.core_path)),
        *_decode_facts(details),
    ]


def _session(record: CoredumpRecord) -> str:
    known = f"session {record.generation}, boot {record.boot}"
    return known if record.generation else "session and boot not known"


def _if_there(details: CoredumpDetails, path: str | None) -> str | None:
    """A path of the dump's folder, when there is something."""
    is_there = path is not None and any(file.name == PurePath(path).name and file.size_bytes for file in details.files)
    return path if is_there else None


def _on_disk(details: CoredumpDetails) -> str | None:
    """Of a dump that has arrived: how much of it waits for the disk."""
    if not is_waiting(details):
        return None
    said = f"{stored_text_bytes(details)} of {details.record.raw_bytes} bytes of its text yet"
    return f"{said}; see `esperctl status` for the disk"


def _remedy(details: CoredumpDetails) -> str | None:
    record = details.record
    if not record.first_seq or (record.end_reason != "disk_full" and not is_waiting(details)):
        return None
    return f"the journal may have all of it: `{log_command(record)} | esperctl coredumps decode --number 1 -`"


def _decode_facts(details: CoredumpDetails) -> list[tuple[str, str | None]]:
    decode = details.record.decode
    elf = f"{decode.elf_path} ({decode.elf_match})" if decode.elf_path and decode.elf_match else decode.elf_path
    return [
        ("decode", f"{decode.state} ({decode.backend})" if decode.backend else decode.state),
        ("decode error", decode.error),
        ("ELF", elf),
        ("report file", _if_there(details, decode.report_path)),
    ]


def _print_files(details: CoredumpDetails, output: Output) -> None:
    if not details.files:
        return
    output.line()
    for line in table(("FILE", "BYTES"), [(file.name, str(file.size_bytes)) for file in details.files]):
        output.line(line)
