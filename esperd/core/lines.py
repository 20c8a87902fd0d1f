"""Line assembly: chunks of any size in, blocks of whole lines out, byte for byte.

Joining the data of all blocks, and of the tail that ``flush`` gives, is what was received. A block holds as many
lines as arrived together, so that the cost is paid per read and not per line.
"""

from dataclasses import dataclass

from esper_protocol.events import LineEnd


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive lines; ``count`` of them, the last of which ends as ``end`` says."""

    data: bytes
    count: int
    end: LineEnd


class LineAssembler:
    """Cuts a byte stream after each newline, and after ``line_bytes`` where no newline comes."""

    def __init__(self, line_bytes: int) -> None:
        self.line_bytes = line_bytes
        self._parts: list[bytes] = []
        self._pending_bytes = 0

    @property
    def has_pending(self) -> bool:
        """Whether there is the beginning of a line that was not given out yet."""
        return self._pending_bytes > 0

    def receive_data(self, data: bytes) -> list[Block]:
        """Returns the lines that *data* completes; usually none or one block."""
        newline = data.rfind(b"\n") + 1
        if self._pending_bytes + len(data) <= self.line_bytes:
            # No line can be too long yet: the way nearly every read takes.
            if not newline:
                self._keep(data)
                return []
            block = self._take(data[:newline])
            self._keep(data[newline:])
            return [Block(block, block.count(b"\n"), "newline")]
        return self._split_long_lines(data)

    def flush(self, end: LineEnd = "fragment") -> Block | None:
        """Gives out the unfinished line as it is; None when there is none."""
        if not self._pending_bytes:
            return None
        return Block(self._take(b""), 1, end)

    def _keep(self, data: bytes) -> None:
        if data:
            self._parts.append(data)
            self._pending_bytes += len(data)

    def _take(self, data: bytes) -> bytes:
        if self._pending_bytes:
            data = b"".join((*self._parts, data))
            self._parts.clear()
            self._pending_bytes = 0
        return data

    def _split_long_lines(self, data: bytes) -> list[Block]:
        data = self._take(data)
        blocks: list[Block] = []
        start = 0  # of the lines that are not in a block yet
        line_start = 0
        count = 0
        while True:
            newline = data.find(b"\n", line_start, line_start + self.line_bytes)
            if newline >= 0:
                line_start = newline + 1
                count += 1
                continue
            if count:
                blocks.append(Block(data[start:line_start], count, "newline"))
                start, count = line_start, 0
            if len(data) - line_start <= self.line_bytes:
                break
            line_start += self.line_bytes
            blocks.append(Block(data[start:line_start], 1, "split"))
            start = line_start
        self._keep(data[start:])
        return blocks
