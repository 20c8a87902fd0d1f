"""The reading ends: what each viewer of a port received, and when."""

import os
import re
import select
import socket
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from esper_protocol.connection import ClientConnection
from esper_protocol.events import Event, Gap, Line
from esper_protocol.messages import ErrorResponse, RequestBody, Response, Result, Subscribe

_TAG: Final = re.compile(rb"#(\d{8})")
_READ_BYTES: Final = 256 * 1024
# A tagged line is shorter.
_LONGEST_LINE_BYTES: Final = 256


class Stream:
    """Counts bytes; with *is_tagged* it also notes when each tagged line arrived (monotonic seconds)."""

    def __init__(self, *, is_tagged: bool) -> None:
        self.is_tagged = is_tagged
        self.size_bytes = 0
        self.crc = 0
        self.arrivals: dict[int, float] = {}
        self._rest = b""

    def take(self, data: bytes, now: float) -> None:
        """Takes the next bytes."""
        self.size_bytes += len(data)
        self.crc = zlib.crc32(data, self.crc)
        if self.is_tagged:
            text = self._rest + data
            end = text.rfind(b"\n") + 1
            for tag in _TAG.findall(text, 0, end):
                self.arrivals.setdefault(int(tag), now)
            self._rest = text[end:][-_LONGEST_LINE_BYTES:]

    def restart(self) -> None:
        """Forgets what came so far."""
        self.size_bytes = self.crc = 0
        self.arrivals.clear()
        self._rest = b""


class Receiver(Protocol):
    """Something to read from."""

    def fileno(self) -> int:
        """The descriptor to wait for."""
        ...

    def receive(self) -> bool:
        """Reads what is there, once; False when nothing more will come."""
        ...

    def restart(self) -> None:
        """Forgets what came so far."""
        ...


class RawReceiver:
    """A descriptor whose bytes go into one stream as they are."""

    def __init__(self, descriptor: int, stream: Stream) -> None:
        self._descriptor = descriptor
        self.stream = stream

    def fileno(self) -> int:
        return self._descriptor

    def receive(self) -> bool:
        data = read_some(self._descriptor)
        self.stream.take(data, time.monotonic())
        return bool(data)

    def restart(self) -> None:
        self.stream.restart()


class EsperReceiver:
    """A client of esperd that decodes: one stream for each board, and one of the undecoded bytes."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.raw = Stream(is_tagged=False)
        self.boards: dict[str, Stream] = {}
        self.gaps = 0
        self._connection = ClientConnection("benchmarks")
        self.socket.sendall(self._connection.hello())
        while self._connection.welcome is None:
            self.receive()

    def request(self, body: RequestBody) -> Result:
        """Asks, and reads until the answer is there."""
        number, data = self._connection.request(body)
        self.socket.sendall(data)
        while True:
            for message in self._take(read_some(self.socket.fileno())):
                if isinstance(message, Response) and message.id == number:
                    return message.result
                if isinstance(message, ErrorResponse):
                    raise ConnectionError(f"esperd refused {body}: {message.message}")

    def subscribe(self, board: str) -> None:
        """Follows a board from now on."""
        self.boards[board] = Stream(is_tagged=True)
        self.request(Subscribe(board))

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self) -> bool:
        data = read_some(self.socket.fileno())
        self._take(data)
        return bool(data)

    def restart(self) -> None:
        self.raw.restart()
        self.gaps = 0
        for stream in self.boards.values():
            stream.restart()

    def _take(self, data: bytes) -> Sequence[object]:
        now = time.monotonic()
        self.raw.take(data, now)
        messages = self._connection.receive_data(data)
        for message in messages:
            if isinstance(message, Event):
                if isinstance(message.body, Line):
                    self.boards[message.board].take(message.body.data, now)
                elif isinstance(message.body, Gap):
                    self.gaps += 1
        return messages


def drain(receivers: Sequence[Receiver], is_over: Callable[[], bool], quiet_s: float) -> bool:
    """Reads from all until *is_over*, which is asked after each wake-up; False when nothing came for *quiet_s*."""
    by_descriptor = {receiver.fileno(): receiver for receiver in receivers}
    with select.epoll() as poller:
        for descriptor in by_descriptor:
            poller.register(descriptor, select.EPOLLIN)
        last = time.monotonic()
        while not is_over():
            ready = poller.poll(0.05)
            for descriptor, _ in ready:
                if not by_descriptor[descriptor].receive():
                    poller.unregister(descriptor)
            if ready:
                last = time.monotonic()
            elif time.monotonic() - last > quiet_s:
                return False
    return True


def read_some(descriptor: int) -> bytes:
    """What is there; nothing at the end."""
    try:
        return os.read(descriptor, _READ_BYTES)
    except OSError:
        # A terminal whose other side is gone, or a reset connection.
        return b""
