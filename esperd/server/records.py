"""Answers about boards: what ``boards`` and ``status`` show."""

from esper_protocol.records import BoardRecord
from esperd.board.board import Board


def board_record(board: Board) -> BoardRecord:
    """The board as it is now."""
    publisher, journal = board.publisher, board.parts.journal
    summary = publisher.summary
    app = summary.app
    first_on_disk = journal.first_seq
    return BoardRecord(
        board=board.name,
        port=board.parts.endpoint.text,
        state=summary.state,
        state_detail=summary.state_detail,
        generation=publisher.generation,
        boot=publisher.boot,
        baud=board.parts.baud,
        chip=summary.chip,
        project=None if app is None else app.project,
        app_version=None if app is None else app.version,
        app_sha256=None if app is None else app.elf_sha256,
        viewers=len(publisher.followers),
        writer=board.lease.holder,
        capture=board.capture_id,
        last_crash=summary.last_crash,
        coredumps=len(board.parts.store.records(board.name)),
        first_seq=publisher.tail.first_seq if first_on_disk is None else first_on_disk,
        next_seq=publisher.next_seq,
        journal_bytes=journal.size_bytes,
        journal_path=str(journal.directory),
        telemetry=summary.telemetry,
        disk=summary.disk,
    )
