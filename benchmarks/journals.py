"""What the daemon has on disk after a run: whether its journal holds every byte, and its dumps are whole."""

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from esper_protocol.codec import decode_event
from esper_protocol.events import Body, Event, Line
from esper_protocol.framing import scan_frames


def journal_bytes(state_dir: Path) -> int:
    """The size of all journals."""
    return sum(path.stat().st_size for path in state_dir.glob("boards/*/journal/*"))


def lost_in_journal(state_dir: Path, written: Mapping[str, tuple[int, int]]) -> int:
    """Bytes that the journals lack; *written* is (size, CRC-32) for each board. At least 1 for one that differs."""
    lost = 0
    for board, (size, crc) in written.items():
        data = b"".join(_lines(state_dir / "boards" / board / "journal"))
        if (len(data), zlib.crc32(data)) != (size, crc):
            lost += max(size - len(data), 1)
    return lost


def lost_in_dumps(state_dir: Path) -> int:
    """How many stored dumps are not whole with a right checksum; the last may be cut by the end of the load."""
    records = [json.loads(path.read_bytes()) for path in (state_dir / "coredumps").glob("*/record.json")]
    records.sort(key=lambda record: record["first_seq"])
    whole = [record["capture"] == "captured" and record["checksum"] == "ok" for record in records]
    return whole[:-1].count(False) if whole else 1


def count_events(state_dir: Path, board: str, kind: type[Body]) -> int:
    """How many events of a kind the journal of a board has."""
    return sum(isinstance(event.body, kind) for event in _events(state_dir / "boards" / board / "journal"))


def _lines(directory: Path) -> list[bytes]:
    return [event.body.data for event in _events(directory) if isinstance(event.body, Line)]


def _events(directory: Path) -> Iterator[Event]:
    for segment in sorted(directory.iterdir()):
        for _, _, payload in scan_frames(segment.read_bytes()):
            event = decode_event(payload)
            if isinstance(event, Event):
                yield event
