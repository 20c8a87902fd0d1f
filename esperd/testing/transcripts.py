"""Recorded transcripts of boards, with notes of what is in them."""

from pathlib import Path

import msgspec


class Marked(msgspec.Struct, frozen=True):
    """A text that stands in the transcript."""

    text: str


class ExpectedDump(msgspec.Struct, frozen=True):
    """A core dump; only one that is complete has a length and a sum, of its decoding."""

    complete: bool
    decoded_len: int | None = None
    decoded_sha256: str | None = None


class Expected(msgspec.Struct, frozen=True):
    """What is to be found; the panics are the fatal ones."""

    resets: list[Marked]
    panics: list[Marked]
    dumps: list[ExpectedDump]


class _Notes(msgspec.Struct, frozen=True):
    expected: Expected
    timing_ms_len: list[tuple[int, int]]


class Transcript(msgspec.Struct, frozen=True):
    """A recording; ``pieces`` are the milliseconds since its start and the size of what came then."""

    name: str
    path: Path
    data: bytes
    pieces: list[tuple[int, int]]
    expected: Expected


def load_transcripts(folder: Path) -> list[Transcript]:
    """All transcripts ``NAME_….raw`` of a folder, with the notes beside them.

    Raises:
        OSError: there is no such folder, or a transcript has no notes.
    """
    loaded: list[Transcript] = []
    for path in sorted(folder.glob("*.raw")):
        notes = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=_Notes)
        name = path.stem.partition("_")[0]
        loaded.append(Transcript(name, path, path.read_bytes(), notes.timing_ms_len, notes.expected))
    return loaded
