"""The sending side of one client's connection.

As long as the client reads, a frame goes straight into the socket, without a task switch. When the socket is full, the
client is behind: its own task takes over and serves it from where it is. A client that never reads again costs one
partly sent frame and a few numbers.
"""

import socket
from collections import deque
from typing import Protocol

import trio


class Source(Protocol):
    """Something that has frames for the client when it is behind."""

    async def next_batch(self) -> bytes | None:
        """The next whole frames; None when there are none now."""
        ...


class Output:
    """Sends frames in order; owned by the client's session, which closes the socket."""

    def __init__(self, client_socket: socket.socket) -> None:
        self._socket = client_socket
        self._rest = memoryview(b"")
        self._queue: deque[bytes] = deque()
        self._sources: tuple[Source, ...] = ()
        self._wakeup = trio.Event()
        self._drained = trio.Event()
        self.is_broken = False

    def send_now(self, frame: bytes) -> bool:
        """Sends a frame if the client is not behind; False when nothing of it was taken."""
        if self._rest or self._queue or self.is_broken:
            return False
        try:
            sent = self._socket.send(frame)
        except BlockingIOError:
            return False
        except OSError:
            self._break()
            return False
        if sent < len(frame):
            self._rest = memoryview(frame)[sent:]
            self._wakeup.set()
        return True

    def put(self, frame: bytes) -> None:
        """Sends a frame, now or when the client reads on; a broken connection takes and forgets it."""
        if not self.send_now(frame) and not self.is_broken:
            self._queue.append(frame)
            self._wakeup.set()

    def wake(self) -> None:
        """A source has something and could not send it itself."""
        self._wakeup.set()

    def add_source(self, source: Source) -> None:
        """From now on *source* is asked while the client is behind."""
        self._sources = (*self._sources, source)
        self._wakeup.set()

    def remove_source(self, source: Source) -> None:
        """The reverse: nothing of *source* is sent any more. Harmless when it was none."""
        self._sources = tuple(other for other in self._sources if other is not source)

    async def wait_room(self) -> None:
        """Waits while an answer is queued that the client does not read; to be called before each, which may be large.

        So many clients that ask and do not read cost that many answers. Without a deadline: the client decides when it
        reads. A checkpoint in any case, because one read may hold thousands of requests.
        """
        await trio.lowlevel.checkpoint()
        while self._queue:
            await self._drained.wait()

    async def run(self) -> None:
        """Serves the client whenever it is behind, until the connection breaks."""
        while not self.is_broken:
            # Without a deadline: a client that is not behind needs nothing.
            await self._wakeup.wait()
            self._wakeup = trio.Event()
            while await self._send_some():
                pass

    async def _send_some(self) -> bool:
        """Sends what is waiting, then a batch of each source; False when nobody had anything."""
        await self._send_queue()
        had_some = False
        for source in self._sources:
            batch = None if self.is_broken else await source.next_batch()
            # It may have been removed while it looked for its batch, and whoever did so was told that it is over.
            if batch is not None and source in self._sources:
                # What was sent directly meanwhile, and did not fit, comes first.
                await self._send_rest()
                self._rest = memoryview(batch)
                await self._send_rest()
                had_some = True
        return (had_some or bool(self._queue)) and not self.is_broken

    async def _send_queue(self) -> None:
        await self._send_rest()
        while self._queue:
            self._rest = memoryview(self._queue.popleft())
            await self._send_rest()
        drained, self._drained = self._drained, trio.Event()
        drained.set()

    async def _send_rest(self) -> None:
        while self._rest and not self.is_broken:
            try:
                sent = self._socket.send(self._rest)
                self._rest = self._rest[sent:]
            except BlockingIOError:
                # Without a deadline: a viewer may be stopped for a week; it then reads on where it was.
                await trio.lowlevel.wait_writable(self._socket)
            except OSError:
                self._break()

    def _break(self) -> None:
        self.is_broken = True
        self._rest = memoryview(b"")
        self._queue.clear()
        self._wakeup.set()
        self._drained.set()
