"""One board for the life of the daemon: opens its port again and again, and does what clients ask for.

Supervision: whatever goes wrong with the port or in a session is caught here, logged once with what was running, made
an event, and followed by another try. It never reaches another board.
"""

import dataclasses
import logging
import math
from dataclasses import dataclass
from typing import Final

import trio

from esper_protocol.events import (
    CaptureEndReason,
    Failure,
    Gap,
    GapReason,
    Note,
    SessionClosed,
    SessionFailed,
    SessionLost,
    SessionOpened,
    SessionReleased,
)
from esperd.board.captures import Captures
from esperd.board.crash_memory import CrashMemory
from esperd.board.device_claims import DeviceClaims
from esperd.board.disk_reports import DiskReports
from esperd.board.heartbeat import Heartbeat
from esperd.board.lease import WriterLease
from esperd.board.lending import Lending, Loan
from esperd.board.panics import PanicWatch
from esperd.board.port_control import PortControl
from esperd.board.publisher import Publisher
from esperd.board.session import Activity, Session
from esperd.board.standby import Standby
from esperd.core.limits import CoreLimits
from esperd.core.pipeline import Pipeline, WriteToBoard
from esperd.decode.jobs import DecodeJobs
from esperd.decode.panic_jobs import PanicJobs
from esperd.errors import CommandError, innermost
from esperd.ports.endpoint_kinds import Endpoint, OpenableEndpoint
from esperd.ports.opening import open_device, open_port
from esperd.ports.port import Port, PortBusy, PortError
from esperd.storage.coredumps import CoredumpStore
from esperd.storage.disk_writer import DiskWriter
from esperd.storage.journal import Journal
from esperd.storage.last_crash import LastCrashFile
from esperd.system.resident_memory import rss_bytes

_log: Final = logging.getLogger(__name__)

_FIRST_RETRY_S: Final = 0.1
_LONGEST_RETRY_S: Final = 1.0
# Who holds a port is found by a walk through /proc, which is not done every second.
_BUSY_RETRY_S: Final = 5.0
# What is sent is also journaled, in one event; nobody types this much.
_MAX_SEND_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Closing:
    """Why we close a port ourselves: for a capture that it cuts, and for people."""

    reason: CaptureEndReason
    text: str


_STOPPING: Final = _Closing("daemon_stopped", "the daemon stops")
_LENT: Final = _Closing("port_released", "the port is lent")


@dataclass(frozen=True, slots=True)
class BoardParts:
    """What a board is made of; the daemon makes and owns them."""

    name: str
    endpoint: Endpoint
    baud: int
    core_limits: CoreLimits
    publisher: Publisher
    journal: Journal
    disk: DiskWriter
    crash_file: LastCrashFile
    store: CoredumpStore
    next_coredump: int
    activity: Activity
    decodes: DecodeJobs
    panics: PanicJobs
    claims: DeviceClaims


class Board:
    """The owner of one port."""

    def __init__(self, parts: BoardParts) -> None:
        self.parts = parts
        self.name = parts.name
        self.publisher = parts.publisher
        self.lease = WriterLease(parts.publisher)
        self.lending = Lending(parts.name)
        self.captures = Captures(parts.publisher, parts.store, parts.disk, self._end_capture, parts.decodes)
        self.control = PortControl(parts.name, parts.publisher, self._open_port)
        crashes = CrashMemory(parts.crash_file, parts.disk)
        parts.publisher.summary.on_crash = crashes.keep
        self.disk_reports = DiskReports(parts.publisher, self.captures, crashes, parts.journal)
        self._session: Session | None = None
        self._next_coredump = parts.next_coredump
        self._away: tuple[float, GapReason] | None = None
        self._owning = trio.CancelScope()
        self._closing = _STOPPING
        self._last_error = ""
        self._heartbeat = Heartbeat()
        self.standby = Standby()

    @property
    def capture_id(self) -> str | None:
        """The core dump that is arriving."""
        return None if self._session is None else self._session.pipeline.capture_id

    # The port -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Owns the port until cancelled; then closes it in order."""
        try:
            while True:
                await self._stand_by()
                with trio.CancelScope() as self._owning:
                    await self._own_port()
                # Only `reconfigure` and `hand_over` end it otherwise.
                self._closing = _STOPPING
        finally:
            self._heartbeat.end()

    def reconfigure(self, endpoint: Endpoint, baud: int, core_limits: CoreLimits) -> bool:
        """Takes other settings; returns whether the port is another one, or has another baud rate.

        Then it is closed, and opened anew after ``standby.end``. Who else is to have its device is not told here.
        """
        is_other_port = (endpoint, baud) != (self.parts.endpoint, self.parts.baud)
        self.parts = dataclasses.replace(self.parts, endpoint=endpoint, baud=baud, core_limits=core_limits)
        if self._session is not None:
            self._session.pipeline.set_limits(core_limits)
        if is_other_port:
            self.standby.ask()
            self.explain_closing("its settings were changed")
            self._owning.cancel()
        return is_other_port

    async def _stand_by(self) -> None:
        while (is_over := self.standby.is_over) is not None:
            # Without a deadline: whoever asked for the pause has one.
            await self._heartbeat.rest_until(is_over)

    def explain_closing(self, reason: str) -> None:
        """Says why the port is going to be closed, while the daemon goes on."""
        self._closing = _Closing("port_released", reason)

    async def _own_port(self) -> None:
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                async with open_device(self.parts.endpoint, baud=self.parts.baud) as device:
                    await self._own_device(device)
            except PortError as error:
                self._note_port_error(error, retry_s)
            except Exception as error:  # noqa: BLE001 - the supervision point of a board: it must not end the daemon
                self._note_unexpected(error, retry_s)
            await self._heartbeat.rest(retry_s)
            retry_s = min(retry_s * 2, _BUSY_RETRY_S)

    async def hand_over(self) -> None:
        """Closes the port if another board goes first, see ``DeviceClaims``; not in the middle of a core dump."""
        session, endpoint = self._session, self.parts.endpoint
        if session is None or self.capture_id is not None:
            return
        rival = await self.parts.claims.rival(endpoint)
        # The port may be another one by now, or that of another session.
        is_as_asked = self._session is session and self.parts.endpoint == endpoint
        if rival is not None and rival.goes_first and is_as_asked and self.capture_id is None:
            self.explain_closing(f"its device is served as {rival.text}")
            self._owning.cancel()

    async def prove_reading(self) -> None:
        """Returns when the task that reads, or tries to open the port, has come round. Has no deadline of its own.

        At once, unless it is about to open the port, which takes some seconds at most; also when it has ended.
        """
        if self._session is not None:
            self._session.wake()
        await self._heartbeat.prove()

    async def _own_device(self, device: OpenableEndpoint) -> None:
        retry_s = _FIRST_RETRY_S
        while True:
            await self._wait_for_return()
            wait_s, longest_s, opened_at = retry_s, _LONGEST_RETRY_S, math.inf
            try:
                with self.lending.use():
                    await self.parts.claims.check_is_ours(self.parts.endpoint)
                    async with open_port(device, baud=self.parts.baud, was_lent=self.lending.was_lent) as port:
                        opened_at = trio.current_time()
                        self._last_error = ""
                        await self._run_session(port)
            except PortBusy as error:
                # In our own hands it is only until another of our boards has closed it.
                wait_s, longest_s = retry_s if error.is_ours else _BUSY_RETRY_S, _BUSY_RETRY_S
                self._note_port_error(await self.parts.claims.explain(error, self.parts.endpoint), wait_s)
            except PortError as error:
                wait_s = retry_s
                self._note_port_error(error, wait_s)
            if self.lending.loan is not None:
                retry_s = _FIRST_RETRY_S
                continue
            # A port that hangs up as soon as it is opened is as absent as one that can't be opened.
            was_good = trio.current_time() - opened_at > _LONGEST_RETRY_S
            await self._heartbeat.rest(_FIRST_RETRY_S if was_good else wait_s)
            retry_s = _FIRST_RETRY_S if was_good else min(retry_s * 2, longest_s)

    async def _wait_for_return(self) -> None:
        """Waits while the port is lent; whoever calls has it not open."""
        while (loan := self.lending.loan) is not None:
            if not loan.closed.is_set():
                loan.closed.set()
                self.publisher.publish(SessionReleased(loan.port, loan.who, loan.command))
                _log.info("port lent board=%s port=%s who=%s command=%r", self.name, loan.port, loan.who, loan.command)
            # Without a deadline: who has it sets one, and a connection ends with its process.
            await self._heartbeat.rest_until(loan.returned)

    async def _run_session(self, port: Port) -> None:
        parts, publisher = self.parts, self.publisher
        publisher.generation += 1
        pipeline = Pipeline(self.name, parts.core_limits, self._next_coredump)
        publisher.publish(SessionOpened(port.path, parts.baud))
        if self._away is not None:
            (since, why), self._away = self._away, None
            publisher.publish(Gap(why, f"the port was away for {trio.current_time() - since:.1f} s"))
        self._session = session = Session(
            port,
            pipeline,
            publisher,
            self.captures,
            PanicWatch(publisher, parts.panics),
            parts.baud,
            parts.activity,
            self._write_answer,
            self._heartbeat,
        )
        self.lending.note_tried(is_open=True)
        _log.info("session opened board=%s generation=%d port=%s", self.name, publisher.generation, port.path)
        try:
            await session.run()
        except PortError as error:
            self._lose_session(port, str(error))
        else:
            self._lose_session(port, "it hung up: unplugged, or reset by its firmware")
        finally:
            # Still there when neither happened: the daemon stops, or an unexpected exception is on its way up.
            if self._session is session:
                if trio.current_effective_deadline() == -math.inf:
                    await self._close_session(port)
                else:
                    self._lose_session(port, "esperd failed; its log says how")

    def _lose_session(self, port: Port, error: str) -> None:
        self._end_session("port_lost")
        self._away = trio.current_time(), "unplugged"
        self._last_error = error
        self.publisher.publish(SessionLost(port.path, error))
        _log.warning("session lost board=%s port=%s error=%s %s", self.name, port.path, error, self.describe_running())

    async def _close_session(self, port: Port) -> None:
        is_lent = self.lending.loan is not None
        self._end_session((_LENT if is_lent else self._closing).reason)
        self._away = trio.current_time(), "released"
        # First, so that what reached the board stands before the end of its session.
        await self.control.settle()
        if not is_lent:
            self.publisher.publish(SessionClosed(port.path, self._closing.text))

    def _end_session(self, reason: CaptureEndReason) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.end(reason)
            self._next_coredump = session.pipeline.next_coredump

    def _note_port_error(self, error: PortError, retry_s: float) -> None:
        self.lending.note_tried(is_open=False)
        if str(error) != self._last_error:
            self._last_error = str(error)
            self.publisher.publish(SessionFailed(error.path, str(error), retry_s))
            _log.warning("port not opened board=%s port=%s error=%s", self.name, error.path, error)

    def _note_unexpected(self, error: Exception, retry_s: float) -> None:
        cause = innermost(error)
        text = f"{type(cause).__name__}: {cause}"
        if text != self._last_error:
            self._last_error = text
            context = self.describe_running()
            _log.error("board failed board=%s %s", self.name, context, exc_info=error)
            self.publisher.publish(Failure("board", text, context, retry_s))

    def describe_running(self) -> str:
        """What was running, for the log: ``generation=3 viewers=2 captures=1 decodes=0 rss_bytes=…``."""
        return (
            f"generation={self.publisher.generation} viewers={len(self.publisher.followers)} "
            f"captures={int(self.capture_id is not None)} "
            f"decodes={self.parts.decodes.running + self.parts.panics.running} rss_bytes={rss_bytes()}"
        )

    def _end_capture(self, reason: CaptureEndReason) -> None:
        if self._session is not None:
            self._session.end_capture(reason)

    # What clients ask for -----------------------------------------------------------------------------

    async def send(self, data: bytes, who: str) -> None:
        """Writes to the board for a client that the write lease lets through.

        Raises:
            CommandError: bad_request, busy (it is lent), capturing, absent, timed_out.
        """
        if len(data) > _MAX_SEND_BYTES:
            raise CommandError("bad_request", f"at most {_MAX_SEND_BYTES} bytes are sent at once, not {len(data)}")
        if (coredump_id := self.capture_id) is not None:
            raise CommandError(
                "capturing",
                f"{self.name}: core dump {coredump_id} is arriving, nothing is sent to the board meanwhile",
                "wait for its end, or `esperctl coredumps abort`",
            )
        await self.control.write(data, who)

    async def lend(self, client: int, who: str, command: str, *, force: bool) -> str:
        """Closes the port for a client, which has it until it gives it back; returns the device or the URL.

        Raises:
            CommandError: busy, absent, timed_out; capturing unless *force*.
        """
        port = self._open_port()
        if self.capture_id is not None and not force:
            raise CommandError(
                "capturing",
                f"{self.name}: core dump {self.capture_id} is arriving, and would be cut",
                "wait for its end, or cut it with --force",
            )
        await self.lending.lend(Loan(port.path, client, who, command))
        return port.path

    def abort_capture(self, who: str) -> None:
        """Ends the capture that is under way.

        Raises:
            CommandError: there is none.
        """
        if self._session is None or self.capture_id is None:
            raise CommandError("failed", f"{self.name}: no core dump is arriving")
        _log.info("capture aborted board=%s coredump=%s who=%s", self.name, self.capture_id, who)
        self.publisher.publish(Note(f"ended the capture of core dump {self.capture_id}", who))
        self._session.end_capture("aborted")

    def add_note(self, text: str, who: str) -> None:
        """Writes a remark into the journal."""
        self.publisher.publish(Note(text, who))

    async def _write_answer(self, answer: WriteToBoard) -> None:
        try:
            await self.control.write(answer.data, "esperd", answer.why)
        except CommandError as error:
            _log.warning("answer not written board=%s error=%s", self.name, error)

    def _open_port(self) -> Port:
        self.lending.check_not_lent()
        if self._session is None:
            detail = self.publisher.summary.state_detail
            raise CommandError(
                "absent", f"{self.name} is not connected: {detail}", "plug it in, or see `esperctl status`"
            )
        return self._session.port
