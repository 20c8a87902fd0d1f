"""The speed of a serial line, as a value machine."""

from __future__ import annotations

BITS_PER_BYTE = 10
"""Start bit, eight data bits, stop bit."""
STEP_BYTES = 64
"""At most so many bytes arrive together: about what a USB adapter hands over at once."""


class Wire:
    """Bytes on their way at ``baud``; times are seconds on the caller's clock."""

    def __init__(self, *, baud: int) -> None:
        self._byte_s = BITS_PER_BYTE / baud
        self._pending = bytearray()
        self._sent_until = 0.0

    def push(self, data: bytes, now: float) -> None:
        """Begin to send ``data``, behind what is on its way."""
        if not self._pending:
            self._sent_until = max(self._sent_until, now)
        self._pending += data

    @property
    def idle_at(self) -> float:
        """When the last byte will have arrived."""
        return self._sent_until + len(self._pending) * self._byte_s

    @property
    def deadline(self) -> float | None:
        """When the next step will have arrived; None: nothing is on its way."""
        if not self._pending:
            return None
        return self._sent_until + min(len(self._pending), STEP_BYTES) * self._byte_s

    def take(self, now: float) -> bytes:
        """What has arrived up to ``now``."""
        # The tenth of a byte: at a deadline computed by adding, the division may end just below a whole number.
        count = min(len(self._pending), int((now - self._sent_until) / self._byte_s + 0.1))
        if count <= 0:
            return b""
        arrived = bytes(self._pending[:count])
        del self._pending[:count]
        self._sent_until += count * self._byte_s
        return arrived
