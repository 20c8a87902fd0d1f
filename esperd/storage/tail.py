"""The newest part of a board's journal, in memory: bounded by bytes, in the frames that viewers receive."""

import bisect
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Entry:
    """One event: the positions it occupies (``end_seq`` is the one after), its time (ns), its lines and its frame."""

    first_seq: int
    end_seq: int
    at: int
    lines: int
    frame: bytes


# Stands where an entry was: its frame is to be freed now, not when the list is cleared up.
_OVER: Final = Entry(0, 0, 0, 0, b"")


class Tail:
    """A ring of entries; the oldest go when it is full, but the newest always stays."""

    def __init__(self, max_bytes: int, next_seq: int) -> None:
        self.max_bytes = max_bytes
        self._entries: list[Entry] = []
        self._gone = 0  # entries at the front of the list that are over
        self.size_bytes = 0
        self.next_seq = next_seq

    @property
    def first_seq(self) -> int:
        """The oldest position that is here; ``next_seq`` when nothing is."""
        return self._entries[self._gone].first_seq if self._gone < len(self._entries) else self.next_seq

    def append(self, entry: Entry) -> None:
        """Takes the next entry."""
        self._entries.append(entry)
        self.size_bytes += len(entry.frame)
        self.next_seq = entry.end_seq
        while self.size_bytes > self.max_bytes and self._gone < len(self._entries) - 1:
            self.size_bytes -= len(self._entries[self._gone].frame)
            self._entries[self._gone] = _OVER
            self._gone += 1
        # Removing from the front of a list costs its length, so it is done when half of it is over.
        if self._gone > 256 and self._gone * 2 > len(self._entries):
            del self._entries[: self._gone]
            self._gone = 0

    def from_seq(self, seq: int, max_bytes: int) -> list[Entry]:
        """Entries from the one that holds *seq* on, up to *max_bytes* but at least one; *seq* must not be older."""
        start = bisect.bisect_right(self._entries, seq, lo=self._gone, key=lambda entry: entry.end_seq)
        chosen: list[Entry] = []
        for index in range(start, len(self._entries)):
            entry = self._entries[index]
            chosen.append(entry)
            max_bytes -= len(entry.frame)
            if max_bytes <= 0:
                break
        return chosen

    def is_behind(self, at_ns: int) -> bool:
        """Whether something older than *at_ns* is here, so that everything since then is."""
        return self._gone < len(self._entries) and self._entries[self._gone].at < at_ns

    def seq_at_time(self, at_ns: int) -> int:
        """The position of the first event at or after *at_ns*; ``next_seq`` when there is none."""
        for index in range(self._gone, len(self._entries)):
            if self._entries[index].at >= at_ns:
                return self._entries[index].first_seq
        return self.next_seq

    def seq_of_last_lines(self, before_seq: int, lines: int) -> tuple[int, int]:
        """The position where the last *lines* lines before *before_seq* begin, and how many of them are not here."""
        if lines == 0:
            return before_seq, 0
        end = bisect.bisect_left(self._entries, before_seq, lo=self._gone, key=lambda entry: entry.first_seq)
        for index in range(end - 1, self._gone - 1, -1):
            entry = self._entries[index]
            entry_end = min(entry.end_seq, before_seq)
            available = min(entry.lines, entry_end - entry.first_seq)
            if available >= lines:
                return entry_end - lines, 0
            lines -= available
        return min(self.first_seq, before_seq), lines
