"""The text between a panic and the dump that may follow it: kept with the dump, so that its folder explains itself."""

from esper_protocol.events import Panic


class PanicContext:
    """Keeps lines from the first one of a fatal panic on; bounded, and dropped by the next boot."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self.is_open = False
        self._first_seq: int | None = None
        self.panic: Panic | None = None

    def open(self, first_seq: int) -> None:
        """Begins anew with the report that began at *first_seq*; nothing changes if it has begun with this one."""
        if first_seq != self._first_seq:
            self.clear()
            self._first_seq = first_seq
            self.is_open = True

    def append(self, line: bytes) -> None:
        """Takes a line, if open; the line that would be too much closes it."""
        if not self.is_open:
            return
        if self._size_bytes + len(line) > self._max_bytes:
            self.is_open = False
            return
        self._lines.append(line)
        self._size_bytes += len(line)

    def note_panic(self, panic: Panic) -> None:
        """The report is complete. After one that was not fatal the program runs on, and no dump follows."""
        if panic.fatal:
            self.panic = panic
        else:
            self.clear()

    def take(self) -> bytes:
        """Gives the text, and closes: a dump has begun."""
        text = b"".join(self._lines)
        self._lines.clear()
        self._size_bytes = 0
        self.is_open = False
        return text

    def clear(self) -> None:
        """Forgets everything: the firmware starts again."""
        self.take()
        self.panic = None
