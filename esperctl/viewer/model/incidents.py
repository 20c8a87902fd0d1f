"""What happened to a board: from events in any order, each of them perhaps more than once, into a bounded list. Pure.

Events come live, in pages of older lines, and from a scan; so a state never goes back to an older event's.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec

from esper_protocol.events import (
    Body,
    Boot,
    CoredumpEnded,
    CoredumpStarted,
    DecodeCancelled,
    DecodeFailed,
    DecodeFinished,
    DecodeQueued,
    DecodeStarted,
    DecodeTimedOut,
    Event,
    GdbStub,
    Line,
    Panic,
    SessionClosed,
    SessionLost,
    SessionOpened,
    SessionReleased,
)
from esper_protocol.records import CoredumpRecord
from esperctl.markers import DECODE_BODIES, PANIC_TARGET, marker
from esperctl.subscription import AnyEvent
from esperctl.times import LocalClock
from esperctl.viewer.model.incident import NS_IN_S, Decode, Incident, Kind, capture_text, decode_of
from esperctl.viewer.view import ListItem, Severity

MAX_INCIDENTS: Final = 500
# So many more are dropped at once, because each time all have to be sorted.
_SLACK: Final = 50
# A report is up to 64 KiB; those of dumps can be fetched again, those of older panics are found in the log.
MAX_REPORTS: Final = 20


class Incidents:
    """The list, oldest first."""

    def __init__(self) -> None:
        self._by_key: dict[str, Incident] = {}
        self._sorted: tuple[Incident, ...] | None = ()
        self._items: tuple[ListItem, ...] | None = ()
        self._clock = LocalClock()

    def learn(self, events: Iterable[AnyEvent]) -> None:
        """Takes events, of which most are lines."""
        for event in events:
            if isinstance(event, Event) and not isinstance(event.body, Line):
                self._learn(event, event.body)

    def listed(self, records: Iterable[CoredumpRecord], seq: int) -> None:
        """Takes the stored dumps, as they were when the journal was at *seq*."""
        for record in records:
            self.fetched(record, seq)

    def fetched(self, record: CoredumpRecord, seq: int) -> None:
        """Takes a dump's record, as it was when the journal was at *seq*."""
        before = self._by_key.get(record.id) or Incident(record.id, "dump", record.first_seq)
        decode = decode_of(record, seq, before.decode) if seq >= before.decode.seq else before.decode
        self._put(
            replace(
                before,
                seq=record.first_seq,
                at_ns=before.at_ns or _nanoseconds(record.started_at),
                boot=record.boot,
                title=f"core dump {record.id}",
                detail=capture_text(record),
                severity="error",
                record=record,
                decode=decode,
            )
        )

    def sorted(self) -> tuple[Incident, ...]:
        """All of them, by position."""
        if self._sorted is None:
            self._sorted = tuple(sorted(self._by_key.values(), key=lambda incident: (incident.seq, incident.key)))
        return self._sorted

    def items(self) -> tuple[ListItem, ...]:
        """Their entries in the list."""
        if self._items is None:
            self._items = tuple(incident.item(self._clock) for incident in self.sorted())
        return self._items

    def get(self, key: str) -> Incident | None:
        """The one of this key."""
        return self._by_key.get(key)

    def before(self, kind: Kind, seq: int | None) -> Incident | None:
        """The newest of a kind before position *seq* (None: the end)."""
        found = (item for item in reversed(self.sorted()) if item.kind == kind and (seq is None or item.seq < seq))
        return next(found, None)

    def after(self, kind: Kind, seq: int) -> Incident | None:
        """The oldest of a kind after position *seq*."""
        return next((item for item in self.sorted() if item.kind == kind and item.seq > seq), None)

    def latest_crash(self) -> Incident | None:
        """The newest crash; of a panic and the dump that it made, the dump."""
        return next((incident for incident in reversed(self.sorted()) if incident.is_crash), None)

    def dump_of(self, panic: Incident) -> Incident | None:
        """The dump that a panic made: the next one, in the same boot."""
        dump = self.after("dump", panic.seq)
        following = self.after("panic", panic.seq)
        if dump is None or dump.boot != panic.boot or (following is not None and following.seq < dump.seq):
            return None
        return dump

    # Events -------------------------------------------------------------------------------------------

    def _learn(self, event: Event, body: Body) -> None:
        match body:
            case Boot():
                title = f"boot {event.boot}: {body.reset_reason}"
                self._add(event, f"boot:{event.seq}", "boot", body.line_seq, title, body=body)
            case Panic():
                self._panic(event, body)
            case CoredumpStarted():
                self._dump(event, body.id, body.line_seq)
            case CoredumpEnded():
                self._dump_ended(event, body)
            case GdbStub():
                self._add(
                    event, f"stub:{event.seq}", "stub", body.line_seq, "GDB stub waits", severity="warning", body=body
                )
            case SessionOpened() | SessionLost() | SessionReleased() | SessionClosed():
                severity: Severity = "warning" if isinstance(body, SessionLost) else "info"
                self._add(event, f"port:{event.seq}", "port", event.seq, marker(body) or "", severity=severity)
            case _ if isinstance(body, DECODE_BODIES):
                self._decoded(event, body)
            case _:
                pass

    def _panic(self, event: Event, body: Panic) -> None:
        title = f"{'panic' if body.fatal else 'report'}: {body.cause.replace('_', ' ')}"
        where = f" in {body.task}" if body.task else ""
        severity: Severity = "error" if body.fatal else "warning"
        detail = f"{body.reason}{where}"
        key = f"{PANIC_TARGET}{event.seq}"
        self._add(event, key, "panic", body.first_seq, title, detail=detail, severity=severity, body=body)

    def _dump(self, event: Event, coredump: str, seq: int) -> Incident:
        title = f"core dump {coredump}"
        before = self._by_key.get(coredump)
        detail = before.detail if before is not None and before.detail else "arriving"
        return self._add(event, coredump, "dump", seq, title, detail=detail, severity="error")

    def _dump_ended(self, event: Event, body: CoredumpEnded) -> None:
        before = self._dump(event, body.id, body.first_seq)
        record = before.record
        if record is not None and record.capture == "capturing":
            record = msgspec.structs.replace(
                record, capture=body.capture, end_reason=body.end_reason, decoded_bytes=body.decoded_bytes
            )
        self._put(replace(before, detail=capture_text(body), body=body, record=record))

    def _add(
        self,
        event: Event,
        key: str,
        kind: Kind,
        seq: int,
        title: str,
        *,
        detail: str = "",
        severity: Severity = "info",
        body: Boot | Panic | GdbStub | None = None,
    ) -> Incident:
        before = self._by_key.get(key) or Incident(key, kind, seq)
        at_ns = min(event.at, before.at_ns) if before.at_ns else event.at
        incident = replace(
            before, seq=seq, at_ns=at_ns, boot=event.boot, title=title, detail=detail, severity=severity,
            body=body or before.body,
        )  # fmt: skip
        return self._put(incident)

    def _decoded(self, event: Event, body: Body) -> None:
        decode = _decode(body, event.seq)
        if decode is None:
            return
        target, state = decode
        before = self._by_key.get(target) or _unknown_target(target, event)
        if before is None or state.seq < before.decode.seq:
            return
        self._put(replace(before, decode=state))
        if state.report is not None:
            self._drop_reports()

    def _put(self, incident: Incident) -> Incident:
        self._by_key[incident.key] = incident
        self._sorted = self._items = None
        if len(self._by_key) > MAX_INCIDENTS + _SLACK:
            for oldest in self.sorted()[:_SLACK]:
                del self._by_key[oldest.key]
            self._sorted = None
        return incident

    def _drop_reports(self) -> None:
        with_report = [incident for incident in self.sorted() if incident.decode.report is not None]
        for incident in with_report[:-MAX_REPORTS]:
            self._put(replace(incident, decode=replace(incident.decode, report=None)))


def _decode(body: Body, seq: int) -> tuple[str, Decode] | None:
    match body:
        case DecodeQueued():
            return body.target, Decode("pending", seq=seq)
        case DecodeStarted():
            return body.target, Decode("decoding", backend=body.backend, seq=seq)
        case DecodeFinished():
            return body.target, Decode("decoded", backend=body.backend, report=body.report, seq=seq)
        case DecodeFailed():
            return body.target, Decode("failed", body.error, body.backend, seq=seq)
        case DecodeTimedOut():
            return body.target, Decode("timed out", f"after {body.timeout_s:g} s", body.backend, seq=seq)
        case DecodeCancelled():
            return body.target, Decode("cancelled", body.reason, seq=seq)
        case _:
            return None


def _unknown_target(target: str, event: Event) -> Incident | None:
    """What an event about a decode says of a crash whose own events did not come (yet)."""
    number = target.removeprefix(PANIC_TARGET)
    if number == target:
        return Incident(target, "dump", event.seq, event.at, event.boot, f"core dump {target}", severity="error")
    if not number.isascii() or not number.isdigit() or len(number) > len(str(2**63)):
        return None
    # Of a panic that is not known its own event may come yet; a backtrace that a program printed has no other entry.
    return Incident(target, "panic", int(number), event.at, event.boot, "backtrace")


def _nanoseconds(rfc3339: str) -> int:
    try:
        return int(datetime.fromisoformat(rfc3339).timestamp()) * NS_IN_S
    except (ValueError, OverflowError):
        return 0
