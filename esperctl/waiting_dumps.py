"""Core dumps that have arrived, and wait in the daemon's memory, wholly or in part, for a disk that refuses them."""

from pathlib import PurePath

from esper_protocol.messages import CoredumpDetails
from esper_protocol.records import CoredumpRecord
from esperctl.client import Client
from esperctl.daemons import Daemons
from esperctl.errors import FailedError


def stored_text_bytes(details: CoredumpDetails) -> int:
    """How much of its text is on disk."""
    name = PurePath(details.record.raw_path).name
    return next((file.size_bytes for file in details.files if file.name == name), 0)


def is_waiting(details: CoredumpDetails) -> bool:
    """Whether it has arrived, and less of it is on disk."""
    record = details.record
    return record.capture != "capturing" and stored_text_bytes(details) < record.raw_bytes


def log_command(record: CoredumpRecord) -> str:
    """What prints its text while it is not on disk: the journal, or its newest part in memory, may have it."""
    return f"esperctl logs {record.board} --after {record.first_seq - 1} -o raw"


def check_on_disk(daemons: Daemons, client: Client, details: CoredumpDetails) -> None:
    """To be called before its files are read.

    Raises:
        FailedError: the disk refuses them.
    """
    record = details.record
    boards = [board for daemon in daemons.found if daemon.client is client for board in daemon.boards]
    disk = next((board.disk for board in boards if board.board == record.board), None)
    if disk is None or not is_waiting(details):
        return
    raise FailedError(
        f"{record.id} waits in memory, {stored_text_bytes(details)} of {record.raw_bytes} bytes of its text are on"
        f" disk: it is {disk}",
        f"make room, and the rest is written by itself; before a stop of esperd, `{log_command(record)} > FILE` saves"
        " its text, and `esperctl coredumps decode FILE` reads it",
    )
