"""The read loop of one open port: bytes to the pure part, what comes out to the publisher and to captures.

The only thing it ever waits for is the port, and the moment the pure part asks to be woken.
"""

import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from esper_protocol.events import App, Backtrace, CaptureEndReason, CoredumpEnded, Panic
from esperd.board.captures import Captures
from esperd.board.heartbeat import Heartbeat
from esperd.board.panics import PanicWatch
from esperd.board.publisher import Publisher
from esperd.core.capture import CapturedBytes, CaptureEnding
from esperd.core.pipeline import CaptureOpened, Output, Pipeline, WriteToBoard
from esperd.ports.port import Port, PortError

_log: Final = logging.getLogger(__name__)

# While a port is busy its reads are spaced, so that a low baud rate does not cost a wake-up for each few bytes: by
# LONGEST when nobody watches; with viewers by 5 ms for each four ports that share the loop, which keeps all prompt.
_LONGEST_SPACING_S: Final = 0.02
_SHARED_SPACING_S: Final = 0.005
_SHARED_PORTS: Final = 4
# A line discipline holds 4095 bytes; half of it may come while we wait.
_SPACING_BYTES: Final = 2048
_BITS_PER_BYTE: Final = 10
_BUSY_S: Final = 0.1
# A read as large as this says that more was waiting than we took: no spacing until it is drained.
_BACKLOG_BYTES: Final = 4095


@dataclass(slots=True)
class Activity:
    """How many ports of this daemon received something lately; shared by all sessions."""

    busy_ports: int = 0


class Session:
    """One opened connection of a port; the board's generation is its number."""

    def __init__(
        self,
        port: Port,
        pipeline: Pipeline,
        publisher: Publisher,
        captures: Captures,
        panics: PanicWatch,
        baud: int,
        activity: Activity,
        answer: Callable[[WriteToBoard], Awaitable[None]],
        heartbeat: Heartbeat,
    ) -> None:
        self.port = port
        self.pipeline = pipeline
        self._publisher = publisher
        self._captures = captures
        self._panics = panics
        self._longest_spacing_s = _SPACING_BYTES * _BITS_PER_BYTE / baud
        self._activity = activity
        self._answer = answer
        self._heartbeat = heartbeat
        self._reading = trio.CancelScope()
        self._answers_send, self._answers_receive = trio.open_memory_channel[WriteToBoard](16)
        self._is_busy = False
        self._last_read = -math.inf

    async def run(self) -> None:
        """Reads until the port hangs up. Whatever ends it, call ``end`` afterwards.

        Raises:
            PortError: the far side broke the protocol of this kind of port.
        """
        error: PortError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write_answers)
            try:
                await self._read()
            except PortError as port_error:
                error = port_error
            finally:
                self._set_busy(busy=False)
            nursery.cancel_scope.cancel()
        if error is not None:
            raise error

    def wake(self) -> None:
        """Has the reader come round, and beat, also when the port is silent. No byte is lost by it."""
        self._reading.cancel()

    def end(self, reason: CaptureEndReason) -> None:
        """Publishes what was half said."""
        self._apply(self.pipeline.receive_hangup(reason, trio.current_time(), self._publisher.next_seq))

    def end_capture(self, reason: CaptureEndReason) -> None:
        """Ends the capture that is under way, if there is one."""
        self._apply(self.pipeline.end_capture(reason, trio.current_time(), self._publisher.next_seq))

    async def _read(self) -> None:
        while True:
            self._heartbeat.beat()
            # One scope for many reads: to make one for each costs as much as the read. So it may end too early, which
            # is harmless, as every deadline that a read moves on is looked at again; but never too late.
            with trio.move_on_at(self._deadline()) as self._reading:
                while await self._read_once():
                    deadline = self._deadline()
                    if deadline < self._reading.deadline:
                        self._reading.deadline = deadline
                return
            now = trio.current_time()
            self._set_busy(busy=now < self._last_read + _BUSY_S)
            self._apply(self.pipeline.on_deadline(now, self._publisher.next_seq))

    async def _read_once(self) -> bool:
        """Reads and publishes; False on a hang-up."""
        data = await self.port.receive()
        if not data:
            return False
        now = trio.current_time()
        self._apply(self.pipeline.receive_data(data, now, self._publisher.next_seq))
        self._set_busy(busy=now < self._last_read + _BUSY_S)
        self._last_read = now
        if self._is_busy and len(data) < _BACKLOG_BYTES and (spacing := self._spacing_s()):
            await trio.sleep_until(now + spacing)
        return True

    def _deadline(self) -> float:
        deadline = self.pipeline.deadline
        if deadline is None:
            deadline = math.inf
        return min(deadline, self._last_read + _BUSY_S) if self._is_busy else deadline

    def _spacing_s(self) -> float:
        wanted = _LONGEST_SPACING_S
        if self._publisher.followers:
            wanted = self._activity.busy_ports // _SHARED_PORTS * _SHARED_SPACING_S
        return min(wanted, _LONGEST_SPACING_S, self._longest_spacing_s)

    def _set_busy(self, *, busy: bool) -> None:
        if busy != self._is_busy:
            self._is_busy = busy
            self._activity.busy_ports += 1 if busy else -1

    def _apply(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case CaptureOpened() | CapturedBytes() | CaptureEnding():
                    self._captures.apply(output)
                case WriteToBoard():
                    self._queue_answer(output)
                case CoredumpEnded():
                    self._publisher.publish(self._captures.as_stored(output))
                case Panic() | Backtrace() | App():
                    self._panics.note(output, self._publisher.publish(output))
                case _:
                    self._publisher.publish(output)
        self._panics.flush(self.pipeline.open_panic_seq, self.pipeline.app_sha256)

    def _queue_answer(self, answer: WriteToBoard) -> None:
        try:
            self._answers_send.send_nowait(answer)
        except (trio.WouldBlock, trio.ClosedResourceError):
            # A board that asks faster than it takes answers has asked for nothing by now.
            _log.warning("answer dropped board=%s", self._publisher.board)

    async def _write_answers(self) -> None:
        async for answer in self._answers_receive:
            await self._answer(answer)
