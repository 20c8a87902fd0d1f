"""Records of core dumps, and stores of them, for tests."""

from pathlib import Path
from typing import Final

import msgspec

from esper_protocol.records import CoredumpRecord
from esperd.storage.coredumps import CoredumpStore, RetentionLimits
from esperd.storage.files import Access

NOW: Final = "2026-03-01T00:00:00.000000Z"


def record(number: int, board: str = "b", **changes: object) -> CoredumpRecord:
    """A whole dump of that day of January; *changes* are fields of its record."""
    fields: dict[str, object] = {
        "id": f"{board}-{number}",
        "board": board,
        "generation": 1,
        "boot": 1,
        "started_at": f"2026-01-{number:02d}T00:00:00.000000Z",
        "capture": "captured",
        "end_reason": "end_marker",
        "raw_bytes": 1000,
        "raw_path": "",
        "core_path": "",
        "first_seq": number * 100,
        "last_seq": number * 100 + 50,
    }
    return msgspec.convert({**fields, **changes}, CoredumpRecord)


def opened(folder: Path, *boards: str, count: int = 50, total_bytes: int = 10**9) -> CoredumpStore:
    """The store in *folder*, as the next start of a daemon finds it."""
    store = CoredumpStore(folder, RetentionLimits(count, total_bytes), Access())
    for board in boards or ("b",):
        store.take(store.read(board, NOW)[0])
    return store
