"""Events that are easy to tell apart, and journals of them."""

from pathlib import Path

from esper_protocol.codec import encode_message
from esper_protocol.events import Body, DaemonStopping, Event, Line, seq_count
from esperd.storage.files import Access
from esperd.storage.journal import Journal, JournalLimits, Recovery
from esperd.storage.journal_reader import JournalReader
from esperd.storage.tail import Entry

_MIB = 1024 * 1024


class EventSource:
    """Makes consecutive events of generation 3 and boot 7; the time is the position, in seconds."""

    def __init__(self, next_seq: int = 1) -> None:
        self.next_seq = next_seq
        self.last_at = 0

    def entry(self, body: Body) -> Entry:
        """The next event."""
        seq, count = self.next_seq, seq_count(body)
        self.next_seq += count
        self.last_at = seq * 1_000_000_000
        frame = encode_message(Event(seq, self.last_at, "b", 3, 7, body))
        return Entry(seq, seq + count, self.last_at, count if isinstance(body, Line) else 0, frame)

    def lines(self, count: int = 1, size_bytes: int = 20) -> Entry:
        """Some lines in one event, each with its position and of a size with its newline."""
        texts = (f"line {self.next_seq + index} ".ljust(size_bytes - 1, ".") for index in range(count))
        return self.entry(Line("".join(f"{text}\n" for text in texts).encode(), count))

    def stop(self) -> Entry:
        """The last event of an orderly run."""
        return self.entry(DaemonStopping("SIGTERM"))


class JournalFolder:
    """One journal directory, opened as often as wanted; owns the journals that it opened."""

    def __init__(self, directory: Path, access: Access | None = None) -> None:
        self.directory = directory
        self._access = access or Access()
        self._opened: list[Journal] = []

    def open(
        self,
        *,
        segment_bytes: int = _MIB,
        total_bytes: int = 1000 * _MIB,
        free_disk_percent: float = 0,
    ) -> tuple[Journal, Recovery]:
        """Opens it, as a start of the daemon does."""
        limits = JournalLimits(segment_bytes, total_bytes, free_disk_percent)
        journal = Journal(self.directory, limits, self._access)
        self._opened.append(journal)
        return journal, journal.open()

    @property
    def segments(self) -> list[Path]:
        """The files, oldest first."""
        return sorted(self.directory.glob("*.journal"))

    def close(self) -> None:
        """Closes what was opened."""
        for journal in self._opened:
            journal.close()


def append(journal: Journal, *entries: Entry) -> None:
    """Appends events in one batch."""
    journal.append([entry.frame for entry in entries], entries[0].first_seq, entries[0].at)


def read_all(journal: Journal, seq: int = 0) -> bytes:
    """All frames from a position on, as a viewer gets them."""
    reader, frames = JournalReader(journal), b""
    while (stretch := reader.read(seq)) is not None:
        frames += stretch.frames
        seq = stretch.next_seq
    return frames
