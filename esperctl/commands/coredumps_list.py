"""``esperctl coredumps list``: the stored core dumps, newest last."""

from esper_protocol.messages import Coredumps, ListCoredumps
from esper_protocol.records import CoredumpRecord
from esperctl.arguments import Arguments, Parser
from esperctl.client import Client
from esperctl.daemons import Daemons, open_daemons
from esperctl.errors import EXIT_DONE
from esperctl.output import Output
from esperctl.tables import table
from esperctl.times import local_text
from esperctl.units import bytes_text

_HEADER = ("ID", "TIME", "BOARD", "STATE", "SIZE", "REASON", "DECODE")


def add_arguments(parser: Parser) -> None:
    """Adds nothing: ``--board`` is accepted everywhere."""
    parser.set_defaults()


def run(arguments: Arguments, output: Output) -> int:
    """Lists the dumps of one board, or of all."""
    with open_daemons(arguments.socket, output) as daemons:
        records = _records(daemons, arguments.board)
    if arguments.json:
        output.document(records)
    elif records:
        for line in table(_HEADER, [_row(record) for record in records]):
            output.line(line)
        _tell_disks(daemons, {record.board for record in records}, output)
    else:
        output.talk("no core dumps are stored")
    return EXIT_DONE


def _tell_disks(daemons: Daemons, boards: set[str], output: Output) -> None:
    for board in (board for daemon in daemons.found for board in daemon.boards):
        if board.disk and board.board in boards:
            output.talk(
                f"{board.board}: the disk is {board.disk}; what it refuses of a core dump waits in memory, which"
                " `esperctl coredumps info ID` shows"
            )


def _records(daemons: Daemons, board: str | None) -> list[CoredumpRecord]:
    if board is not None and any(board == known.board for daemon in daemons.found for known in daemon.boards):
        found = daemons.board(board)
        return stored_coredumps(found.client, board)
    # A dump whose board no daemon runs is listed by each daemon of its state directory.
    records = {
        record.raw_path: record
        for daemon in daemons.found
        for record in stored_coredumps(daemon.client, None)
        if board in (None, record.board)
    }
    if board is not None and not records:
        daemons.board(board)  # for its error: nobody knows the name
    # RFC 3339 in UTC sorts as text; equal times keep the daemon's order.
    return sorted(records.values(), key=lambda record: record.started_at)


def stored_coredumps(client: Client, board: str | None) -> list[CoredumpRecord]:
    """All that one daemon has, of one board or of all, which may be more than fits into one answer."""
    records: list[CoredumpRecord] = []
    after: str | None = None
    while True:
        answer = client.request(ListCoredumps(board, after), Coredumps)
        records += answer.coredumps
        after = answer.next
        if after is None:
            return records


def _row(record: CoredumpRecord) -> tuple[str, ...]:
    state = f"{record.capture} ({record.end_reason})" if record.end_reason else record.capture
    pinned = " pinned" if record.pinned else ""
    return (
        record.id,
        local_text(record.started_at),
        record.board,
        state + pinned,
        bytes_text(record.decoded_bytes),
        record.reason or "-",
        record.decode.state,
    )
