"""One thing that happened to a board, and what became of its decode. Pure values."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from esper_protocol.events import Boot, CoredumpEnded, GdbStub, Panic
from esper_protocol.records import CoredumpRecord
from esperctl.safe_text import safe_text
from esperctl.times import LocalClock
from esperctl.units import bytes_text
from esperctl.viewer.view import ListItem, Severity

Kind = Literal["boot", "panic", "dump", "port", "stub"]
DecodeState = Literal["none", "pending", "decoding", "decoded", "failed", "timed out", "cancelled", "no ELF file"]
NS_IN_S: Final = 1_000_000_000
DECODE_SEVERITIES: Final[dict[DecodeState, Severity]] = {
    "none": "info",
    "pending": "info",
    "decoding": "info",
    "decoded": "success",
    "failed": "error",
    "timed out": "error",
    "cancelled": "warning",
    "no ELF file": "warning",
}


@dataclass(frozen=True, slots=True)
class Decode:
    """How far a decode is; ``why`` says why there is no report; ``seq`` is the position of what told it."""

    state: DecodeState = "none"
    why: str = ""
    backend: str = ""
    report: str | None = None
    seq: int = -1


@dataclass(frozen=True, slots=True)
class Incident:
    """One entry of the list.

    Attributes:
        key: ``panic:SEQ`` as in the decode events, a dump's id, or ``boot:SEQ`` and so on.
        kind: What it is.
        seq: The position of the line in the log that shows it.
        at_ns: When; 0: not known.
        boot: The number of the boot that it belongs to; -1: not known.
        title: In short.
        detail: What more there is to say in the list.
        severity: How bad it is.
        body: The event with the details, if one came.
        record: The dump's record, if it came.
        decode: What became of its decode.
    """

    key: str
    kind: Kind
    seq: int
    at_ns: int = 0
    boot: int = -1
    title: str = ""
    detail: str = ""
    severity: Severity = "info"
    body: Boot | Panic | CoredumpEnded | GdbStub | None = None
    record: CoredumpRecord | None = None
    decode: Decode = Decode()

    @property
    def is_crash(self) -> bool:
        """Whether there may be frames to look at."""
        return self.kind == "dump" or (isinstance(self.body, Panic) and self.body.fatal)

    @property
    def state_text(self) -> str:
        """The state in words, e.g. ``decoding``, ``failed: no ELF file``."""
        if self.kind == "dump" and self.record is not None and self.record.capture == "capturing":
            return "capturing"
        if self.decode.state == "none":
            return ""
        why = f": {safe_text(self.decode.why)}" if self.decode.why and self.decode.state != "decoded" else ""
        return self.decode.state + why

    def item(self, clock: LocalClock) -> ListItem:
        """Its entry in the list."""
        # The state first: where there is little room, it is what is looked for.
        state, _, why = self.state_text.partition(": ")
        detail = ", ".join(part for part in (state, self.detail, why) if part)
        severity = self.severity
        if self.decode.state in ("failed", "timed out") and severity != "error":
            severity = "warning"
        time = clock.time(self.at_ns)[: len("hh:mm:ss")] if self.at_ns else ""
        return ListItem(safe_text(self.title), safe_text(detail), time, severity)


def decode_of(record: CoredumpRecord, seq: int, before: Decode) -> Decode:
    """The state of a dump's decode as its record says it; ``seq``: as of which position."""
    states: dict[str, DecodeState] = {
        "none": "none",
        "queued": "pending",
        "running": "decoding",
        "done": "decoded",
        "failed": "failed",
        "timed_out": "timed out",
        "cancelled": "cancelled",
        "no_elf": "no ELF file",
        "ambiguous_elf": "no ELF file",
    }
    state = states.get(record.decode.state, "none")
    why = record.decode.error or ("several ELF files fit" if record.decode.state == "ambiguous_elf" else "")
    return replace(before, state=state, why=why, backend=record.decode.backend or "", seq=seq)


def capture_text(body: CoredumpEnded | CoredumpRecord) -> str:
    """How a capture ended, e.g. ``captured, 12.0 KiB``, ``partial (reboot), 3.0 KiB``."""
    reason = f" ({body.end_reason})" if body.capture == "partial" and body.end_reason else ""
    size = f", {bytes_text(body.decoded_bytes)}" if body.decoded_bytes else ""
    checksum = ", checksum bad" if body.checksum == "bad" else ""
    return f"{body.capture}{reason}{size}{checksum}"
